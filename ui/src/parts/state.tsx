import { Alert, Button, Loader, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

import { ApiError } from "../api/client";
import { t } from "../strings";

/** What is shown where there is nothing: what it means and what to do next. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <Stack align="center" gap="sm" py={64} px="md" ta="center">
      <Title order={2}>{title}</Title>
      {children !== undefined && <Text c="dimmed" maw={520} component="div">{children}</Text>}
      {action}
    </Stack>
  );
}

export function Waiting({ label = t("common.loading") }: { label?: string }) {
  return (
    <Stack align="center" py={64} role="status">
      <Loader size="sm" />
      <Text c="dimmed">{label}</Text>
    </Stack>
  );
}

/** An error: what happened, where, and what to do next. */
export function Trouble({ error, retry }: { error: unknown; retry?: () => void }) {
  const known = error instanceof ApiError ? error : null;
  const text = known?.message ?? (error instanceof Error ? error.message : String(error));
  return (
    <Alert color="red" variant="light" title={text} role="alert" my="sm">
      {known !== null && known.hint !== "" && <Text size="sm">{known.hint}</Text>}
      {known !== null && known.problems.length > 0 && (
        <ul className="lw-problems">
          {known.problems.slice(0, 12).map((p, i) => (
            <li key={i}>
              <code>{p.where}</code>: {p.message}
            </li>
          ))}
        </ul>
      )}
      {retry !== undefined && (
        <Button size="xs" variant="default" mt="xs" onClick={retry}>
          {t("common.retry")}
        </Button>
      )}
    </Alert>
  );
}
