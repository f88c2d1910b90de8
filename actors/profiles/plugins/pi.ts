// Tells tsup what this agent does. Written by `tsup hooks install pi`; `tsup hooks uninstall pi` removes it.
import { spawn } from "node:child_process";

const CALL: string[] = ["@CALL@"];
const EVENTS = [
  "session_start", "agent_start", "agent_end", "tool_execution_start", "tool_execution_end",
  "session_before_compact", "session_compact", "session_shutdown",
];

function tell(report: object) {
  try {
    const hook = spawn(CALL[0], CALL.slice(1), { stdio: ["pipe", "ignore", "ignore"] });
    hook.on("error", () => {});
    hook.stdin.on("error", () => {});
    hook.stdin.end(JSON.stringify(report));
  } catch {}
}

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
