/** Assets that were chosen in the table on their way to the export screen; a reload forgets them. */
let kept: { project: number; ids: readonly number[] } | null = null;

export function chooseForExport(project: number, ids: readonly number[]): void {
  kept = { project, ids: [...ids] };
}

export function chosenForExport(project: number): readonly number[] {
  return kept?.project === project ? kept.ids : [];
}

export function forgetChosen(): void {
  kept = null;
}
