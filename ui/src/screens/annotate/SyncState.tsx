/** Where the person's work is: on the server, on its way, or kept here because the server is away. */
import { Button, Popover, Stack, Text } from "@mantine/core";
import { useEffect, useSyncExternalStore } from "react";
import { Link } from "wouter";

import type { Outbox } from "../../outbox/outbox";
import { t } from "../../strings";

export function SyncState({ outbox, project }: { outbox: Outbox; project: number }) {
  const state = useSyncExternalStore(outbox.subscribe, outbox.snapshot);
  useEffect(() => {
    void outbox.refresh();
  }, [outbox]);
  const n = state.waiting;
  const text =
    n === 0 ? t("annotate.saved")
    : state.trouble === "signed-out" ? t("annotate.signedOut", { n })
    : state.trouble === "offline" ? t("annotate.offline", { n })
    : t("annotate.saving");
  return (
    <span className="lw-sync" role="status">
      {state.refused.length > 0 && (
        <Popover width={380} withArrow>
          <Popover.Target>
            <Button size="compact-xs" color="red" variant="light">{t("annotate.refused", { n: state.refused.length })}</Button>
          </Popover.Target>
          <Popover.Dropdown>
            <Text size="sm" mb="xs">{t("annotate.refusedHint")}</Text>
            <Stack gap="sm">
              {state.refused.map((each) => (
                <div key={each.parcel.id}>
                  <Text size="sm">{each.message}</Text>
                  {each.hint !== "" && <Text size="sm" c="dimmed">{each.hint}</Text>}
                  <Button size="compact-xs" variant="default" component={Link} href={`/projects/${String(project)}/label?asset=${String(each.parcel.asset)}`}>{t("annotate.openAgain")}</Button>{" "}
                  <Button size="compact-xs" variant="subtle" onClick={() => void outbox.dismiss(each.parcel.id)}>{t("annotate.dismiss")}</Button>
                </div>
              ))}
            </Stack>
          </Popover.Dropdown>
        </Popover>
      )}
      <span className={state.trouble === null ? "lw-dim" : "lw-warn"}>{text}</span>
      {state.trouble === "signed-out" && <Link href="/sign-in">{t("annotate.openAgain")}</Link>}
    </span>
  );
}
