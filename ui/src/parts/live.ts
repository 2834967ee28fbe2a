/** One stream of server events per project page: counts, jobs and runs as they change go into the query cache. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

export function useLive(project: number): void {
  const queries = useQueryClient();
  useEffect(() => {
    const stopped = new AbortController();
    const listen = async (): Promise<void> => {
      const response = await fetch(`/api/projects/${String(project)}/live`, { signal: stopped.signal, credentials: "same-origin" });
      if (!response.ok || response.body === null) return;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        text += value;
        const parts = text.split("\n\n");
        text = parts.pop() ?? "";
        for (const part of parts) {
          const name = /^event: (.*)$/mu.exec(part)?.[1];
          if (name === "counts") void queries.invalidateQueries({ queryKey: ["project", project] });
          if (name === "job") void queries.invalidateQueries({ queryKey: ["jobs", project] });
          if (name !== undefined) void queries.invalidateQueries({ queryKey: ["runs", project] });
        }
      }
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (): void => {
      listen()
        .catch(() => undefined)
        .finally(() => {
          if (!stopped.signal.aborted) timer = setTimeout(again, 3_000);
        });
    };
    again();
    return () => {
      stopped.abort();
      clearTimeout(timer);
    };
  }, [project, queries]);
}
