// Starts an exported page: it reads the log that the page holds.

import { FileSource, recordedLog } from "./parts/file_source.js";
import { start } from "./app.js";

start(new FileSource(await recordedLog(document.getElementById("log").textContent)));
