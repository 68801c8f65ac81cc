// Starts the page that a lab's server sends.

import { LiveSource } from "./parts/live_source.js";
import { start } from "./app.js";

start(new LiveSource());
