/**
 * Who may talk to the extension: its own pages and its own service worker, nobody else.
 *
 * The manifest names no content scripts and no pages that may connect, so nothing else should ever get here; this
 * holds even if it did.
 */

/** As much of a message's sender as is looked at. */
export interface Sender {
  id?: string | undefined;
  url?: string | undefined;
  origin?: string | undefined;
}

/** Whether a message comes from the extension with this id and root (`chrome-extension://…/`). */
export function isOwn(sender: Sender | undefined, id: string, root: string): boolean {
  return sender !== undefined && sender.id === id && sender.url !== undefined && sender.url.startsWith(root);
}

/** The message, if it is an object that names this addressee. */
export function addressed(message: unknown, to: "engine" | "service-worker"): Record<string, unknown> | null {
  if (typeof message !== "object" || message === null) return null;
  const fields = message as Record<string, unknown>;
  return fields["to"] === to ? fields : null;
}
