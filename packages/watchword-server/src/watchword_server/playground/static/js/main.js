// Puts the page together: the only module that knows all views.

import { startAccount } from "./account_view.js";
import { startCalls } from "./calls_view.js";
import { startDiagram } from "./diagram.js";
import { byId } from "./dom.js";
import { apiOrigin, serverOrigin } from "./exchange.js";
import { followFamily } from "./family.js";
import { startFamily } from "./family_view.js";
import { startFit } from "./fit.js";
import { startInspector } from "./inspector.js";
import { restore } from "./session.js";
import { startSessions } from "./sessions_view.js";
import { startSilentRefresh } from "./silent.js";
import { beCounted } from "./tabs.js";
import { startTheme } from "./theme.js";
import { startThief } from "./thief_view.js";
import { startThrowaway } from "./throwaway.js";
import { startToken } from "./token_view.js";
import { startVideo } from "./video_view.js";

byId("server-origin").textContent = new URL(serverOrigin).host;
byId("api-origin").textContent = new URL(apiOrigin).host;

startTheme();
startDiagram();
startInspector();
startAccount();
startThrowaway();
startToken();
startCalls();
startVideo();
startFamily();
startThief();
startSessions();
startSilentRefresh();
followFamily();
beCounted();
startFit();
await restore();
document.documentElement.dataset.ready = "yes";
