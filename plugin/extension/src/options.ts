/** Entry point of the options page. */
import { startOptions } from "./options/app";

startOptions();
