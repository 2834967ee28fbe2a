/** Which projects can be labelled one key at a time. */
import { isNested } from "../../editor/nested";
import type { Question } from "../../editor/types";

/** One key per text is enough when a single choice is all that must be answered. */
export function canDecide(questions: readonly Question[]): boolean {
  const asked = questions.filter((q) => !q.retired);
  const choice = asked.find((q) => q.kind === "choice" && !q.multiple);
  const marks = (q: Question): boolean => q.kind === "span" || q.kind === "relation";
  return choice !== undefined && !isNested(choice) && !asked.some((q) => q.required && q.id !== choice.id && !marks(q) && !q.depends_on);
}
