/** The outbox of the signed-in person, and how a parcel is sent. */
import { notifications } from "@mantine/notifications";

import { api, apiError } from "../api/client";
import { t } from "../strings";
import { Outbox, type Outcome, type Parcel } from "./outbox";

async function send(parcel: Parcel): Promise<Outcome> {
  const path = { project_id: parcel.project, asset_id: parcel.asset };
  try {
    const call =
      parcel.kind === "skip"
        ? await api.POST("/api/projects/{project_id}/assets/{asset_id}/skip", { params: { path }, body: parcel.body as never })
        : await api.POST("/api/projects/{project_id}/assets/{asset_id}/annotations", { params: { path }, body: parcel.body as never });
    if (call.response.ok) {
      if (call.data !== undefined && "problems" in call.data) remark(call.data.problems as readonly { message: string }[]);
      return { ok: true };
    }
    const { status } = call.response;
    const { code, message, hint } = apiError(status, call.error);
    // Signed out, too busy, broken: all pass. Only a clear "no" ends the attempts.
    const retry = status === 401 || status === 408 || status === 429 || status >= 500;
    return { ok: false, retry, status, code, message, hint };
  } catch {
    return { ok: false, retry: true, status: 0, code: "unreachable", message: "", hint: "" };
  }
}

/** What was stored all the same, and is worth a second look. */
function remark(problems: readonly { message: string }[]): void {
  if (problems.length === 0) return;
  notifications.show({ color: "yellow", autoClose: 12_000, title: t("annotate.storedBut"), message: problems.map((each) => each.message).join("; ") });
}

const boxes = new Map<number, Outbox>();

export function outboxOf(user: number): Outbox {
  let box = boxes.get(user);
  if (box === undefined) {
    box = new Outbox(String(user), send);
    boxes.set(user, box);
    void box.refresh().then(() => box?.flush());
  }
  return box;
}
