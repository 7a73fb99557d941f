/** The service worker: the browser's own objects for `Background`. */

import { Background, type BrowserLike } from "./background";

const background = new Background(
  chrome as unknown as BrowserLike,
  (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
);
background.listen();
void background.revive();
