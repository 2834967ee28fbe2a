import { Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";

import { api, must } from "../../api/client";
import { Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";
import type { TabProps } from "./ProjectScreen";

export default function HistoryTab({ project }: TabProps) {
  const pages = useInfiniteQuery({
    queryKey: ["history", project],
    initialPageParam: null as number | null,
    queryFn: ({ pageParam }) => must(api.GET("/api/projects/{project_id}/events", { params: { path: { project_id: project }, query: pageParam === null ? {} : { after: pageParam } } })),
    getNextPageParam: (page) => page.next,
  });
  if (pages.isPending) return <Waiting />;
  if (pages.isError) return <Trouble error={pages.error} retry={() => void pages.refetch()} />;
  const rows = pages.data.pages.flatMap((page) => page.rows.map((event) => ({ event, who: event.user_id === null || event.user_id === undefined ? "" : (page.names[String(event.user_id)] ?? "") })));
  if (rows.length === 0) return <p className="lw-dim">{t("history.none")}</p>;
  return (
    <>
      <table className="lw-table">
        <thead><tr><th>{t("history.when")}</th><th>{t("history.who")}</th><th>{t("history.what")}</th><th /></tr></thead>
        <tbody>
          {rows.map(({ event, who }) => (
            <tr key={event.id}>
              <td className="lw-number">{new Date(event.at).toLocaleString()}</td>
              <td>{who}</td>
              <td>{event.kind.replaceAll("_", " ")}</td>
              <td className="lw-dim">{Object.entries(event.body ?? {}).filter(([, v]) => v !== null && v !== "").map(([k, v]) => `${k}: ${String(v).slice(0, 60)}`).join(" · ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {pages.hasNextPage && <Button mt="sm" variant="default" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>{t("common.more")}</Button>}
    </>
  );
}
