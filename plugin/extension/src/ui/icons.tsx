/** Small drawings, in the text's colour. They decorate: what they mean is always written beside them. */
import type { JSX } from "preact";

function Icon(props: { d: string; fill?: boolean }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">
      <path d={props.d} class={props.fill === true ? "icon-fill" : "icon-line"} />
    </svg>
  );
}

export const Check = (): JSX.Element => <Icon d="M4 10.5 8.2 14.7 16 5.8" />;
export const Cross = (): JSX.Element => <Icon d="M5 5 15 15M15 5 5 15" />;
export const Clock = (): JSX.Element => <Icon d="M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM10 6v4.2l2.8 1.7" />;
export const Back = (): JSX.Element => <Icon d="M8 5 4 9l4 4M4.5 9H12a4 4 0 0 1 0 7.5h-2" />;
export const Left = (): JSX.Element => <Icon d="M12.5 4.5 7 10l5.5 5.5" />;
export const Others = (): JSX.Element => (
  <Icon d="M7.5 9.5a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6ZM2.5 16c.3-3 2.3-4.5 5-4.5s4.7 1.5 5 4.5M13 4.2a2.7 2.7 0 0 1 0 5.1M14.8 11.7c1.6.6 2.6 2 2.7 4.3" />
);
export const Gear = (): JSX.Element => (
  <Icon d="M3 6h6.2M13.8 6H17M3 14h3.2M10.8 14H17M11.5 3.7v4.6M8.5 11.7v4.6" />
);
export const Pause = (): JSX.Element => <Icon d="M7 4.5v11M13 4.5v11" />;
export const Play = (): JSX.Element => <Icon d="M6.5 4.5 15 10l-8.5 5.5Z" fill />;
export const Lock = (): JSX.Element => <Icon d="M5 9h10v7.5H5ZM7 9V6.5a3 3 0 0 1 6 0V9" />;
export const Copy = (): JSX.Element => <Icon d="M7 7h9.5v9.5H7ZM13 7V3.5H3.5V13H7" />;
export const Warning = (): JSX.Element => <Icon d="M10 3.2 17.8 16.5H2.2ZM10 8v4M10 14.2v.3" />;

/** The sign of the project: a folded sheet. */
export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false">
      <path class="mark-a" d="M4 9 16 3v13L4 22Z" />
      <path class="mark-b" d="M16 3 28 9v13l-12-6Z" />
      <path class="mark-c" d="m4 22 12-6 12 6-12 7Z" />
    </svg>
  );
}
