/** Serves the files below /srv/www on loopback, and on a socket for other apps; counts visits across restarts. */
import { createReadStream, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';

const root = '/srv/www';
const counter = '/var/lib/webapp/visits';
const socket = '/run/exports/web/http.sock';

let visits = 0;
try {
  visits = Number(readFileSync(counter, 'utf8'));
} catch (error) {
  if (error.code !== 'ENOENT') throw error;
}

function escape(text) {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

async function page(directory, path) {
  const entries = await readdir(directory, { withFileTypes: true });
  const links = entries.map((entry) => {
    const name = entry.isDirectory() ? `${entry.name}/` : entry.name;
    return `<li><a href="${encodeURIComponent(entry.name)}${entry.isDirectory() ? '/' : ''}">${escape(name)}</a></li>`;
  });
  return `<!doctype html><title>${escape(path)}</title><h1>${escape(path)}</h1><p>Visit ${visits}</p><ul>\n${links.join('\n')}\n</ul>\n`;
}

async function answer(request, response) {
  const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
  if (path === '/health') {
    response.end('well\n');
    return;
  }
  // A path from outside is made absolute before it is joined, so that `..` cannot lead out of the root.
  const file = join(root, normalize(`/${path}`));
  if (!(await stat(file)).isDirectory()) {
    createReadStream(file).on('error', () => response.destroy()).pipe(response);
    return;
  }
  visits += 1;
  writeFileSync(counter, String(visits));
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(await page(file, path));
}

function serve(where) {
  const server = createServer((request, response) => {
    answer(request, response).then(
      () => console.log(`${request.method} ${request.url}`),
      (error) => {
        response.statusCode = error.code === 'ENOENT' || error.code === 'ENOTDIR' ? 404 : 500;
        response.end(`${response.statusCode}\n`);
        console.error(`${request.method} ${request.url}: ${error.message}`);
      },
    );
  });
  server.listen(where, () => console.log(`listening on ${where.path ?? `127.0.0.1:${where.port}`}`));
  return server;
}

rmSync(socket, { force: true });
const servers = [serve({ host: '127.0.0.1', port: 8080 }), serve({ path: socket, readableAll: true, writableAll: true })];
process.on('SIGTERM', () => {
  console.log(`stopping after ${visits} visits`);
  for (const server of servers) server.close();
  for (const server of servers) server.closeAllConnections();
});
