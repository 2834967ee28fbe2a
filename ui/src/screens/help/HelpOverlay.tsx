/** All keys, from the registry, so that it can never be out of date. */
import { Modal, TextInput } from "@mantine/core";
import { useState } from "react";

import { BINDINGS, keysOf, pretty, type Scope } from "../../keys";
import { t } from "../../strings";
import { SCOPES } from "./scopes";

export default function HelpOverlay({ close }: { close: () => void }) {
  const [wanted, setWanted] = useState("");
  const found = BINDINGS.filter((b) => b.title.toLowerCase().includes(wanted.toLowerCase()));
  return (
    <Modal opened onClose={close} title={t("common.keys")} size="lg">
      <TextInput data-autofocus aria-label={t("common.search")} placeholder={t("common.search")} value={wanted} onChange={(e) => { setWanted(e.currentTarget.value); }} mb="sm" />
      {(Object.keys(SCOPES) as Scope[]).map((scope) => {
        const mine = found.filter((b) => b.scope === scope);
        if (mine.length === 0) return null;
        return (
          <section key={scope}>
            <h2 className="lw-help-head">{SCOPES[scope]}</h2>
            <table className="lw-table">
              <tbody>
                {scope === "item" && wanted === "" && <tr><td><kbd>1</kbd> … <kbd>0</kbd></td><td>Label 1 to 10; with shift 11 to 20</td></tr>}
                {mine.map((b) => (
                  <tr key={b.id}>
                    <td style={{ width: 220 }}>{keysOf(b).map((key) => <span key={key}><kbd>{pretty(key)}</kbd> </span>)}</td>
                    <td>{b.title}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        );
      })}
    </Modal>
  );
}
