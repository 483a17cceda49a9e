import { request, type ClientRequest } from 'node:http';

/** A client that sends the beginning of a payload, and will not send the rest. */
export function beginUpload(socketPath: string, bytes: Buffer): ClientRequest {
  const headers = { 'Content-Type': 'application/vnd.berth.package', 'Content-Length': bytes.length * 2 };
  const client = request({ socketPath, method: 'POST', path: '/berth/v1/install', headers });
  client.on('error', () => undefined);
  client.write(bytes);
  return client;
}

/** Ends such a client's connection in the middle of its payload. */
export async function goAway(client: ClientRequest): Promise<void> {
  // Not `once`, which rejects with the error that going away is.
  const gone = new Promise((resolve) => client.once('close', resolve));
  client.destroy();
  await gone;
}
