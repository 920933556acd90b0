// Signed URLs verified within nginx, by njs alone: no process beside it, and so no cut-offs and no counting.
// A URL that is bound to a session, an account or one use is therefore refused here; `watchword edge` takes those.
// Keys: {kid: secret in base64url}, HMAC-SHA256. The canonical form is docs/reference/signed-urls.md.

const crypto = require("crypto");

const CLAIMS = /^1\.([A-Za-z0-9_-]{1,64})\.(0|[1-9][0-9]{0,10})\.([A-Za-z0-9_-]{0,2048})$/;
const SEGMENT = /^(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%20|%[89A-F][0-9A-F])+$/;
const KNOWN = { prefix: true, query: true, nbf: true };

function verify(target, method, origin, keys, now) {
  if (target.length > 8192 || (method !== "GET" && method !== "HEAD")) return false;
  const mark = target.indexOf("?");
  let path = mark < 0 ? target : target.slice(0, mark);
  let query = mark < 0 ? null : target.slice(mark + 1);
  const parameters = query === null ? [] : query.split("&");
  const segments = path.split("/");
  const inQuery = places(parameters, (one) => decoded(one.split("=")[0]) === "ww");
  const inPath = places(segments, (one) => one.split("=")[0].toLowerCase() === "ww");
  if (inQuery.length + inPath.length !== 1) return false;
  let carried, above = null;
  if (inPath.length) {
    above = segments.slice(0, inPath[0]).join("/") + "/";
    carried = segments.splice(inPath[0], 1)[0];
    path = segments.join("/");
  } else {
    carried = parameters.splice(inQuery[0], 1)[0];
    query = parameters.length ? parameters.join("&") : null;
  }
  if (carried.slice(0, 3) !== "ww=") return false;
  const dot = carried.lastIndexOf(".");
  const claims = carried.slice(3, dot), found = CLAIMS.exec(claims);
  if (!found || !Object.prototype.hasOwnProperty.call(keys, found[1])) return false;

  const caveats = found[3] ? read(found[3]) : {};
  if (caveats === null) return false;
  let place = path;
  if (caveats.prefix !== undefined) {
    if ((above !== null && above !== caveats.prefix) || !below(caveats.prefix, path)) return false;
    place = caveats.prefix;
  } else if (above !== null) return false;
  if (caveats.query === "none") query = null;
  else if (inQuery.length && inQuery[0] < parameters.length) return false;

  const signed = query === null ? `${place}?ww=${claims}` : `${place}?${query}&ww=${claims}`;
  const wanted = crypto.createHmac("sha256", Buffer.from(keys[found[1]], "base64url"))
    .update(`watchword-url-1\nGET\n${origin}\n${signed}`).digest("base64url");
  if (!same(wanted, carried.slice(dot + 1))) return false;
  return now < Number(found[2]) && (caveats.nbf === undefined || now >= caveats.nbf);
}

// The caveats, or null for those that are not understood here: a caveat that is passed over would open what it closes.
function read(text) {
  let caveats;
  try {
    caveats = JSON.parse(Buffer.from(text, "base64url").toString());
  } catch (error) {
    return null;
  }
  const known = caveats !== null && typeof caveats === "object" && !Array.isArray(caveats)
    && Object.keys(caveats).every((name) => KNOWN[name]);
  if (!known || (caveats.query !== undefined && caveats.query !== "none" && caveats.query !== "all")) return null;
  if (caveats.prefix !== undefined && typeof caveats.prefix !== "string") return null;
  return caveats.nbf !== undefined && typeof caveats.nbf !== "number" ? null : caveats;
}

function below(prefix, path) {
  if (path.slice(0, prefix.length) !== prefix) return false;
  return path.slice(prefix.length).split("/").every((segment) => {
    if (!SEGMENT.test(segment) || segment[0] === "." || segment[segment.length - 1] === ".") return false;
    return decoded(segment) !== null;
  });
}

function places(list, test) {
  return list.map((one, at) => (test(one) ? at : -1)).filter((at) => at >= 0);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    return null;
  }
}

// In a time that depends on the length alone.
function same(one, other) {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at += 1) difference |= one.charCodeAt(at) ^ (other.charCodeAt(at) || 0);
  return difference === 0;
}

// For `auth_request`: 204 to pass, 403 to refuse. Keys and origin are of the configuration.
function check(r) {
  const host = (r.headersIn.Host || "").toLowerCase();
  const origin = r.variables.watchword_origin;
  const good = origin.split("://")[1] === host
    && verify(r.variables.request_uri, r.variables.request_method, origin,
      JSON.parse(r.variables.watchword_keys), Math.floor(Date.now() / 1000));
  r.return(good ? 204 : 403);
}

export default { check, verify };
