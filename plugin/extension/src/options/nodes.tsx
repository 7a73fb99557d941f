/** The list of nodes and the chain that they must serve. */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { NODES_MAX } from "../bounds";
import type { Settings, View } from "../messages";
import { CopyButton, Field } from "../ui/parts";
import { checkNode, DEFAULT_NODE } from "../ui/validate";
import { Section, useSaver } from "./save";

export function Nodes(props: { settings: Settings; connection: View["connection"] }): JSX.Element {
  const { nodes, chain } = props.settings;
  const { saved, save } = useSaver();
  const [url, setUrl] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [note, setNote] = useState<string | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const add = async (): Promise<void> => {
    const checked = checkNode(url, nodes);
    setError(checked.ok ? null : checked.error);
    setNote(checked.ok ? (checked.note ?? null) : null);
    if (!checked.ok) return input.current?.focus();
    if (await save({ nodes: [...nodes, checked.value] })) setUrl("");
  };
  const move = (at: number): void => {
    const reordered = [...nodes];
    reordered.splice(at - 1, 0, ...reordered.splice(at, 1));
    void save({ nodes: reordered });
  };
  return (
    <Section id="nodes" title="Nodes" saved={saved} intro="Tried in this order. A node gives out work and takes proofs; it never sees your key.">
      {nodes.length === 0 && <p class="notice">There is no node in the list, so nothing can be earned. A node on this computer is at {DEFAULT_NODE}.</p>}
      <ol class="rows">
        {nodes.map((node, at) => (
          <li key={node}>
            <code class="mono wrap">{node}</code>
            {props.connection.node === node && props.connection.state === "online" && <span class="tag ok">connected</span>}
            {at > 0 && <button type="button" class="button plain small" onClick={() => move(at)}>Move up<span class="visually-hidden"> {node}</span></button>}
            <button
              type="button"
              class="button plain small"
              onClick={() => {
                void save({ nodes: nodes.filter((other) => other !== node) });
                input.current?.focus();
              }}
            >
              Remove<span class="visually-hidden"> {node}</span>
            </button>
          </li>
        ))}
      </ol>
      {nodes.length < NODES_MAX ? (
        <form
          class="add-row"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            void add();
          }}
        >
          <Field
            label="Add a node"
            mono
            value={url}
            onInput={(value) => {
              setUrl(value);
              setError(null);
            }}
            error={error}
            hint={note ?? `Such as ${DEFAULT_NODE} or wss://node.example.org/plugin`}
            inputRef={input}
            testid="node-url"
          />
          <button type="submit" class="button primary" data-testid="save">Add</button>
        </form>
      ) : <p class="hint">The list is full. Remove a node to add another.</p>}
      <Chain chain={chain} forget={() => void save({ chain: null })} />
    </Section>
  );
}

function Chain(props: { chain: string | null; forget: () => void }): JSX.Element {
  const [asking, setAsking] = useState(false);
  if (props.chain === null) return <p class="hint">The first chain that a node shows is pinned here; nodes of other chains are then refused.</p>;
  return (
    <div class="pinned">
      <h3>Pinned chain</h3>
      <p class="copy-row"><code class="mono wrap">{props.chain}</code><CopyButton text={props.chain} what="genesis hash" /></p>
      {asking ? (
        <div class="confirm">
          <p>Without the pin, the next node that answers decides which chain you work for. Rewards of the present chain stay there.</p>
          <button
            type="button"
            class="button danger small"
            onClick={() => {
              props.forget();
              setAsking(false);
            }}
          >
            Forget the chain
          </button>
          <button type="button" class="button plain small" onClick={() => setAsking(false)}>Keep it</button>
        </div>
      ) : (
        <>
          <p class="hint">Hash of the genesis. Nodes that show another are refused.</p>
          <button type="button" class="button plain small" onClick={() => setAsking(true)}>Forget…</button>
        </>
      )}
    </div>
  );
}
