/** Linking a span to an entity of the project's list: the search box, and the name of what is linked. */
import { Modal, TextInput, UnstyledButton } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, must } from "../../api/client";
import { picked, type Fixed, type State } from "../../editor/session";
import { t } from "../../strings";

export const NIL = "NIL";

/** What a span is linked to, in short; a dash when nobody said. */
export function LinkName({ project, list, link }: { project: number; list: string; link: string | null }) {
  const found = useQuery({
    queryKey: ["entity", project, list, link],
    enabled: link !== null && link !== NIL,
    staleTime: Infinity,
    queryFn: () => must(api.GET("/api/projects/{project_id}/knowledge/{sha256}/entity", { params: { path: { project_id: project, sha256: list }, query: { entity_id: link ?? "" } } })),
  });
  if (link === null) return <span className="lw-link-name lw-dim">{t("annotate.notLinked")}</span>;
  return <span className="lw-link-name lw-dim">{link === NIL ? t("annotate.nil") : `${found.data?.name ?? ""} [${link}]`}</span>;
}

export function LinkSearch({ project, given, state, close, choose }: { project: number; given: Fixed; state: State; close: () => void; choose: (link: string | null) => void }) {
  const found = picked(state, given);
  const list = found?.question.knowledge ?? "";
  const [words, setWords] = useState(found === null ? "" : given.table.slice(found.span.start, found.span.end));
  const [at, setAt] = useState(0);
  const candidates = useQuery({
    queryKey: ["candidates", project, list, words],
    enabled: list !== "",
    placeholderData: keepPreviousData,
    queryFn: () => must(api.GET("/api/projects/{project_id}/knowledge/{sha256}/search", { params: { path: { project_id: project, sha256: list }, query: { words, k: 9 } } })),
  });
  const rows = candidates.data ?? [];
  const take = (link: string | null): void => {
    choose(link);
    close();
  };
  const last = rows.length;
  const option = (i: number): string => `lw-candidate-${String(i)}`;
  return (
    <Modal opened onClose={close} title={t("annotate.linkTitle")} size="md">
      <TextInput
        data-autofocus
        aria-label={t("annotate.linkSearch")}
        role="combobox"
        aria-expanded
        aria-controls="lw-candidates"
        aria-activedescendant={option(at)}
        description={t("annotate.linkHint")}
        value={words}
        onChange={(event) => {
          setWords(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown" || event.key === "ArrowUp") {
            event.preventDefault();
            setAt((at + (event.key === "ArrowDown" ? 1 : last) + (last + 1)) % (last + 1));
          } else if (event.key === "Enter") {
            event.preventDefault();
            // The list still shown may belong to what was typed before.
            if (candidates.isPlaceholderData) return;
            take(rows[at]?.entity.id ?? NIL);
          }
        }}
      />
      <ul id="lw-candidates" role="listbox" aria-label={t("annotate.candidates")} className="lw-candidates">
        {rows.map(({ entity }, i) => (
          <li key={entity.id} id={option(i)} role="option" aria-selected={i === at} className={`lw-candidate${i === at ? " lw-on" : ""}`} onClick={() => { take(entity.id); }}>
            <b>{entity.name}</b> <span className="lw-dim">[{entity.id}]</span>
            {(entity.aliases?.length ?? 0) > 0 && <span className="lw-dim"> {t("annotate.alsoCalled", { names: (entity.aliases ?? []).slice(0, 6).join(", ") })}</span>}
            {(entity.description ?? "") !== "" && <span className="lw-dim lw-candidate-what">{entity.description}</span>}
          </li>
        ))}
        <li id={option(last)} role="option" aria-selected={at === last} className={`lw-candidate${at === last ? " lw-on" : ""}`} onClick={() => { take(NIL); }}>{t("annotate.nil")}</li>
      </ul>
      {(found?.span.link ?? null) !== null && <UnstyledButton className="lw-link" onClick={() => { take(null); }}>{t("annotate.unlink")}</UnstyledButton>}
    </Modal>
  );
}
