/** Which notifications the desktop shows. */
import type { JSX } from "preact";
import type { Settings } from "../messages";
import { Toggle } from "../ui/parts";
import { Section, useSaver } from "./save";

export function Notifications(props: { settings: Settings }): JSX.Element {
  const { notifications } = props.settings;
  const { saved, save } = useSaver();
  const set = (change: Partial<Settings["notifications"]>): Promise<boolean> => save({ notifications: { ...notifications, ...change } });
  return (
    <Section id="notifications" title="Notifications" saved={saved}>
      <Toggle label="Rewards" hint="When a proof is paid." on={notifications.rewards} onChange={(rewards) => set({ rewards })} />
      <Toggle label="Penalties" hint="When a penalty is charged, with its reason." on={notifications.penalties} onChange={(penalties) => set({ penalties })} />
      <Toggle label="Trouble" hint="When something needs you." on={notifications.trouble} onChange={(trouble) => set({ trouble })} />
    </Section>
  );
}
