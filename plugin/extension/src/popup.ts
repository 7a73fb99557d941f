/** Entry point of the popup. */
import { startPopup } from "./popup/app";

startPopup();
