/** Which projects can be labelled one key at a time. */
import type { Question } from "../../editor/types";

/** One key per text is enough when a single choice is all that must be answered. */
export function canDecide(questions: readonly Question[]): boolean {
  const asked = questions.filter((q) => !q.retired);
  const choice = asked.find((q) => q.kind === "choice" && !q.multiple);
  return choice !== undefined && !asked.some((q) => q.required && q.id !== choice.id && q.kind !== "span" && !q.depends_on);
}
