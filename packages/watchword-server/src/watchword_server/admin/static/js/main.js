// Puts the page together: the only module that knows all views.

import { startCut } from "./cut_view.js";
import { startLog } from "./log_view.js";
import { startLogin } from "./login_view.js";
import { startMap } from "./map_view.js";
import { restore } from "./session.js";
import { startTheme } from "./theme.js";
import { startWatching } from "./watching.js";

startTheme();
startLogin();
startCut();
startLog();
startMap();
startWatching();
await restore();
document.documentElement.dataset.ready = "yes";
