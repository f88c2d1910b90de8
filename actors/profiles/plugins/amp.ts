// Tells tsup what this agent does. Written by `tsup hooks install amp`; `tsup hooks uninstall amp` removes it.
// @TELL@

export default function (amp: any) {
  amp.on("agent.start", async (event: any) => tell({ event: "agent.start", session_id: event?.thread?.id }));
  amp.on("agent.end", async (event: any) =>
    tell({ event: "agent.end", session_id: event?.thread?.id, status: event?.status }));
}
