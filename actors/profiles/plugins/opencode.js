// Tells tsup what this agent does. Written by `tsup hooks install opencode`; `tsup hooks uninstall opencode` removes it.
// @TELL@

// Sessions that subagents run in: they say nothing about this agent.
const children = new Set();

export const Tsup = async () => ({
  event: async ({ event }) => {
    const about = event.properties ?? {};
    const session = about.sessionID ?? about.info?.id;
    if (event.type === "session.created" && about.info?.parentID) children.add(session);
    if (event.type === "session.deleted") children.delete(session);
    const wanted = /^(session\.(created|status|idle|error)|permission\.(asked|updated|replied)|question\.\w+)$/;
    if (!wanted.test(event.type) || children.has(session)) return;
    tell({ event: event.type, session_id: session, status: about.status?.type, error: about.error?.name });
  },
  "tool.execute.before": async (input) => {
    if (!children.has(input.sessionID))
      tell({ event: "tool.execute.before", session_id: input.sessionID, tool_name: input.tool });
  },
  "tool.execute.after": async (input) => {
    if (!children.has(input.sessionID))
      tell({ event: "tool.execute.after", session_id: input.sessionID, tool_name: input.tool });
  },
});
