import type { Key } from "../../strings";

export interface Tab {
  readonly path: string;
  readonly title: Key;
  /** Needs to see the assets of others. */
  readonly reviewers: boolean;
  /** Needs to be manager. */
  readonly managers: boolean;
  /** Only where texts are labelled: prompts are for language models. */
  readonly texts?: boolean;
  /** Only where regions are marked. */
  readonly regions?: boolean;
}

/** The tabs of a project of texts or images. */
export function tabsOf(modality: string | undefined, regions = modality === "image"): readonly Tab[] {
  return TABS.filter((tab) => (tab.texts !== true || modality !== "image") && (tab.regions !== true || regions));
}

const TABS: readonly Tab[] = [
  { path: "", title: "project.overview", reviewers: false, managers: false },
  { path: "/data", title: "project.data", reviewers: true, managers: false },
  { path: "/questions", title: "project.ontology", reviewers: false, managers: true },
  { path: "/prompts", title: "project.prompts", reviewers: true, managers: true, texts: true },
  { path: "/trust", title: "trust.title", reviewers: true, managers: false },
  { path: "/overlap", title: "overlap.title", reviewers: true, managers: false, regions: true },
  { path: "/runs", title: "project.runs", reviewers: true, managers: true },
  { path: "/import", title: "project.import", reviewers: true, managers: true },
  { path: "/export", title: "project.export", reviewers: true, managers: true },
  { path: "/history", title: "project.history", reviewers: true, managers: false },
  { path: "/settings", title: "project.settings", reviewers: true, managers: true },
];
