// Tells tsup what this agent does. Written by `tsup hooks install amp`; `tsup hooks uninstall amp` removes it.
import { spawn } from "node:child_process";

const CALL: string[] = ["@CALL@"];

function tell(report: object) {
  try {
    const hook = spawn(CALL[0], CALL.slice(1), { stdio: ["pipe", "ignore", "ignore"] });
    hook.on("error", () => {});
    hook.stdin.on("error", () => {});
    hook.stdin.end(JSON.stringify(report));
  } catch {}
}

export default function (amp: any) {
  amp.on("agent.start", async (event: any) => tell({ event: "agent.start", session_id: event?.thread?.id }));
  amp.on("agent.end", async (event: any) =>
    tell({ event: "agent.end", session_id: event?.thread?.id, status: event?.status }));
}
