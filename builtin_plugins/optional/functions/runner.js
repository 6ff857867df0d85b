// The native runner: every .js file below a folder is a route, called with a request and a response much like Express's.
// Run as `node runner.js FOLDER`; listens on PORT at BIND_ADDRESS, answers /healthz, logs one JSON object a line.
'use strict';

const { createServer } = require('node:http');
const { readdirSync } = require('node:fs');
const { join, relative, resolve, sep } = require('node:path');
const { pathToFileURL } = require('node:url');

const folder = resolve(process.argv[2] ?? 'functions');
const LIMIT = 6 * 1024 * 1024; // bytes of a body, as the container image has it
const ranks = { debug: 0, info: 1, warn: 2, error: 3 };

function log(level, message, fields = {}) {
  if ((ranks[level] ?? 1) < (ranks[process.env.LOG_LEVEL ?? 'info'] ?? 1)) return;
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, service: 'functions', message, ...fields })}\n`);
}

// Files of the folder, less what begins with _ or . and installed packages.
function* files(at) {
  for (const entry of readdirSync(at, { withFileTypes: true })) {
    if (/^[_.]/.test(entry.name) || entry.name === 'node_modules') continue;
    const path = join(at, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else yield path;
  }
}

function routeOf(path) {
  const route = `/${relative(folder, path).split(sep).join('/')}`.replace(/\.(c|m)?[jt]s$/, '');
  return route.replace(/\/index$/, '') || '/';
}

async function load() {
  const routes = new Map();
  const kinds = process.features.typescript ? /\.(c|m)?[jt]s$/ : /\.(c|m)?js$/;
  for (const path of [...files(folder)].sort()) {
    if (/\.d\.ts$/.test(path)) continue;
    if (!kinds.test(path)) {
      if (/\.ts$/.test(path)) log('warn', 'TypeScript needs Node.js 22.18 or later', { file: relative(folder, path) });
      continue;
    }
    const route = routeOf(path);
    try {
      const module = await import(pathToFileURL(path).href);
      const handler = typeof module.default === 'function' ? module.default : module.default?.default;
      if (typeof handler === 'function') routes.set(route, handler);
      else log('warn', 'no default export that is a function', { file: relative(folder, path) });
    } catch (error) {
      // One broken file must not take the others down: its route says what is wrong.
      log('error', 'cannot be loaded', { file: relative(folder, path), error: String(error?.stack ?? error) });
      routes.set(route, (_request, response) => response.status(500).json({ error: `${route} cannot be loaded` }));
    }
  }
  return routes;
}

// What Express adds to a request and a response, as far as functions use it.
async function dress(request, response, url) {
  request.path = url.pathname;
  request.query = Object.fromEntries(url.searchParams);
  request.params = {};
  request.get = (name) => request.headers[name.toLowerCase()];
  request.header = request.get;
  response.status = (code) => Object.assign(response, { statusCode: code });
  response.set = (name, value) => {
    for (const [key, text] of Object.entries(typeof name === 'object' ? name : { [name]: value })) response.setHeader(key, text);
    return response;
  };
  response.json = (body) => {
    if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json; charset=utf-8');
    response.end(JSON.stringify(body));
    return response;
  };
  response.send = (body) => {
    if (body !== null && typeof body === 'object' && !Buffer.isBuffer(body)) return response.json(body);
    if (!response.hasHeader('content-type') && typeof body === 'string') response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(body === undefined || body === null ? '' : Buffer.isBuffer(body) ? body : String(body));
    return response;
  };
  response.sendStatus = (code) => response.status(code).send(String(code));
  response.redirect = (code, to) => (typeof code === 'number' ? response.status(code).set('location', to) : response.status(302).set('location', code)).end();
  await readBody(request);
}

async function readBody(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > LIMIT) throw Object.assign(new Error('the body is larger than 6 MB'), { status: 413 });
    parts.push(part);
  }
  request.rawBody = Buffer.concat(parts);
  const kind = String(request.headers['content-type'] ?? '');
  request.body = {};
  if (/^application\/([a-z.+-]*\+)?json\b/i.test(kind) && size) {
    try {
      request.body = JSON.parse(request.rawBody.toString('utf8'));
    } catch {
      throw Object.assign(new Error('the body is no JSON'), { status: 400 });
    }
  } else if (/^application\/x-www-form-urlencoded\b/i.test(kind)) {
    request.body = Object.fromEntries(new URLSearchParams(request.rawBody.toString('utf8')));
  }
}

async function serve(routes, request, response) {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/healthz') return response.end('ok');
  const handler = routes.get(url.pathname.replace(/\/+$/, '') || '/');
  const began = performance.now();
  response.on('finish', () =>
    log('info', 'request', { method: request.method, path: url.pathname, status: response.statusCode, ms: Math.round(performance.now() - began) }),
  );
  try {
    await dress(request, response, url);
    if (!handler) return response.status(404).json({ error: 'not found' });
    await handler(request, response);
  } catch (error) {
    if (!error.status) log('error', 'a function failed', { path: url.pathname, error: String(error?.stack ?? error) });
    if (response.headersSent) return response.end();
    return response.status(error.status ?? 500).json({ error: error.status ? error.message : 'internal error' });
  }
}

load().then((routes) => {
  const server = createServer((request, response) => serve(routes, request, response));
  server.listen(Number(process.env.PORT ?? 3000), process.env.BIND_ADDRESS ?? '127.0.0.1', () =>
    log('info', 'started', { port: server.address().port, routes: [...routes.keys()] }),
  );
  process.on('unhandledRejection', (error) => log('error', 'a promise nobody waited for failed', { error: String(error?.stack ?? error) }));
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      server.close(() => {
        log('info', 'stopped');
        process.exit(0);
      });
      server.closeIdleConnections();
    });
  }
});
