/** Which part of a long text said what: the evidence behind a model's answers about the whole. */
import { UnstyledButton } from "@mantine/core";
import { memo } from "react";

import type { Noun } from "../../api/client";
import type { Question } from "../../editor/types";
import { AnswerChips } from "../../parts/answers";
import { Confidence } from "../../parts/label";
import { t } from "../../strings";

interface Props {
  readonly prediction: Noun<"Prediction">;
  readonly questions: readonly Question[];
  readonly go: (start: number) => void;
}

/** Drawn once per asset: a book has hundreds of pieces, and the caret moves often. */
export const Evidence = memo(Pieces, (a, b) => a.prediction === b.prediction && a.questions === b.questions);

function Pieces({ prediction, questions, go }: Props) {
  const pieces = prediction.pieces ?? [];
  const unread = (prediction.problems ?? []).filter((p) => p.code === "part_unread");
  if (pieces.length === 0 && unread.length === 0) return null;
  return (
    <details className="lw-question" open={unread.length > 0}>
      <summary>{t("annotate.pieces", { n: pieces.length })}</summary>
      {unread.length > 0 && <p className="lw-warn" role="alert">{t("annotate.unreadParts", { n: unread.length })}: {unread[0]?.message}</p>}
      <ol className="lw-scroll" style={{ maxHeight: 320, paddingInlineStart: 0, listStyle: "none", margin: 0 }} tabIndex={0} aria-label={t("annotate.pieces", { n: pieces.length })}>
        {pieces.map((piece, i) => (
          <li key={piece.start}>
            <UnstyledButton className="lw-row" style={{ gap: 6 }} onClick={() => { go(piece.start); }}>
              <span className="lw-dim lw-number">{t("annotate.part", { i: i + 1, n: pieces.length })}</span>
              {Object.keys(piece.answers ?? {}).length > 0 && <AnswerChips answers={piece.answers as never} questions={questions} by="model" />}
              {Object.entries(piece.confidence ?? {}).slice(0, 3).map(([id, value]) => <Confidence key={id} value={value} />)}
            </UnstyledButton>
          </li>
        ))}
      </ol>
    </details>
  );
}
