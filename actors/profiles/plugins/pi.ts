// Tells tsup what this agent does. Written by `tsup hooks install pi`; `tsup hooks uninstall pi` removes it.
// @TELL@

const EVENTS = [
  "session_start", "agent_start", "agent_end", "tool_execution_start", "tool_execution_end",
  "session_before_compact", "session_compact", "session_shutdown",
];

export default function (pi: any) {
  for (const name of EVENTS) {
    pi.on(name, async (event: any, ctx: any) => {
      let transcript: string | undefined;
      try {
        transcript = ctx?.sessionManager?.getSessionFile?.();
      } catch {}
      tell({ event: name, tool_name: event?.toolName, reason: event?.reason, transcript_path: transcript });
    });
  }
}
