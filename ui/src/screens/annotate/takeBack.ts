/** Taking back what was submitted last, wherever it is by now. */
import { notifications } from "@mantine/notifications";

import { api, must, mustBe } from "../../api/client";
import type { Outbox } from "../../outbox/outbox";
import { t } from "../../strings";
import type { Queue, Turn } from "./queue";

/** Take back the newest own answer: from the server, or from this computer if it was not sent yet. */
export async function takeBack(project: number, outbox: Outbox, queue: Queue): Promise<Turn | null> {
  await outbox.flush();
  if (outbox.snapshot().waiting > 0) {
    // Only what can be shown again: after a reload the text itself is no longer here while the server is away.
    const newest = (await outbox.assetsOnTheirWay(project)).at(-1);
    const turn = newest === undefined ? undefined : queue.recall(newest);
    if (turn !== undefined && (await outbox.retract(project))?.asset === newest) return turn;
  }
  if (outbox.snapshot().waiting > 0) {
    notifications.show({ message: t("annotate.tookBackOnTheWay") });
    return null;
  }
  const mine = await must(api.GET("/api/projects/{project_id}/mine", { params: { path: { project_id: project }, query: { limit: 1 } } }));
  const last = mine[0];
  if (last === undefined) {
    notifications.show({ message: t("annotate.nothingToTakeBack") });
    return null;
  }
  const path = { project_id: project, annotation_id: last.annotation.id };
  return mustBe<"Turn">(api.POST("/api/projects/{project_id}/annotations/{annotation_id}/take-back", { params: { path } }));
}
