/** What waits for me: a card per project with one obvious next step. */
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";

import { api, must, type Noun } from "../../api/client";
import { Funnel } from "../../parts/funnel";
import { Empty, Trouble, Waiting } from "../../parts/state";
import { t } from "../../strings";
import { openCount } from "../annotate/AnnotateScreen";

export default function HomeScreen() {
  const projects = useQuery({ queryKey: ["projects"], queryFn: () => must(api.GET("/api/projects")) });
  if (projects.isPending) return <Waiting />;
  if (projects.isError) return <Trouble error={projects.error} retry={() => void projects.refetch()} />;
  return (
    <main className="lw-page" id="main">
      <div className="lw-row">
        <h1 className="lw-grow">{t("home.title")}</h1>
        <Button component={Link} href="/new">{t("home.create")}</Button>
      </div>
      {projects.data.length === 0 ? (
        <Empty title={t("home.emptyTitle")} action={<Button component={Link} href="/new" size="md">{t("home.create")}</Button>}>
          <p>{t("home.empty")}</p>
          <p>{t("home.emptyDemo")} <code>labelwright demo</code></p>
        </Empty>
      ) : (
        <ul className="lw-cards">
          {projects.data.map((card, i) => <Card key={card.project.id} card={card} first={i === 0} />)}
        </ul>
      )}
    </main>
  );
}

function Card({ card, first }: { card: Noun<"ProjectCard">; first: boolean }) {
  const base = `/projects/${String(card.project.id)}`;
  const left = openCount(card.counts);
  const total = left + (card.counts["labelled"] ?? 0);
  const labels = card.role !== "viewer";
  return (
    <li className="lw-card">
      <div className="lw-row">
        <h2 className="lw-grow lw-cut"><Link href={base}>{card.project.name}</Link></h2>
        <span className="lw-dim">{card.role}</span>
      </div>
      {card.project.description !== "" && <p className="lw-dim">{card.project.description}</p>}
      <Funnel counts={card.counts} />
      <div className="lw-row">
        {labels && left > 0 && <Button component={Link} href={`${base}/label`} autoFocus={first}>{t("home.continue")}</Button>}
        {labels && total === 0 && <Button component={Link} href={`${base}/import`}>{t("home.import")}</Button>}
        <Button component={Link} href={base} variant="default">{t("home.overview")}</Button>
      </div>
    </li>
  );
}
