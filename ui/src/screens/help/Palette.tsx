/** Go anywhere by typing: projects and their screens, settings, help. */
import { Modal, TextInput, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";

import { api, must } from "../../api/client";
import { t } from "../../strings";
import { tabsOf } from "../project/tabs";

export default function Palette({ close }: { close: () => void }) {
  const [wanted, setWanted] = useState("");
  const [at, setAt] = useState(0);
  const [, navigate] = useLocation();
  const projects = useQuery({ queryKey: ["projects"], queryFn: () => must(api.GET("/api/projects")) });
  const places = [
    { title: t("common.home"), href: "/" },
    { title: t("home.create"), href: "/new" },
    { title: t("settings.title"), href: "/settings" },
    ...(projects.data ?? []).flatMap(({ project }) => [
      { title: `${project.name}: ${t("annotate.title")}`, href: `/projects/${String(project.id)}/label` },
      { title: `${project.name}: ${t("annotate.decideTitle")}`, href: `/projects/${String(project.id)}/decide` },
      ...tabsOf(project.modality).map((tab) => ({ title: `${project.name}: ${t(tab.title)}`, href: `/projects/${String(project.id)}${tab.path}` })),
    ]),
  ];
  const words = wanted.toLowerCase().split(/\s+/u);
  const found = places.filter((p) => words.every((w) => p.title.toLowerCase().includes(w))).slice(0, 12);
  const go = (href: string | undefined): void => {
    if (href === undefined) return;
    navigate(href);
    close();
  };
  return (
    <Modal opened onClose={close} title={t("common.palette")} size="md">
      <TextInput
        data-autofocus
        aria-label={t("common.search")}
        placeholder={t("common.search")}
        value={wanted}
        onChange={(e) => { setWanted(e.currentTarget.value); setAt(0); }}
        onKeyDown={(e) => {
          if (e.key === "ArrowDown" || e.key === "ArrowUp") {
            e.preventDefault();
            setAt((now) => Math.max(0, Math.min(found.length - 1, now + (e.key === "ArrowDown" ? 1 : -1))));
          } else if (e.key === "Enter") go(found[at]?.href);
        }}
      />
      <div role="listbox" aria-label={t("common.palette")}>
        {found.length === 0 && <p className="lw-dim">{t("common.nothingFound")}</p>}
        {found.map((p, i) => (
          <UnstyledButton key={p.href} role="option" aria-selected={i === at} className={`lw-label-row${i === at ? " lw-on" : ""}`} onClick={() => { go(p.href); }}>{p.title}</UnstyledButton>
        ))}
      </div>
    </Modal>
  );
}
