import { spawn } from "node:child_process";

const CALL = ["@CALL@"];

function tell(report) {
  try {
    const hook = spawn(CALL[0], CALL.slice(1), { stdio: ["pipe", "ignore", "ignore"] });
    hook.on("error", () => {});
    hook.stdin.on("error", () => {});
    hook.stdin.end(JSON.stringify(report));
  } catch {}
}
