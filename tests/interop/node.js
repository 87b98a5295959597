// A bcoin full node on regtest, driven by lines on stdin.
//
// It runs in memory and in pure JavaScript (no native add-on is needed or built), listens on a free
// loopback port and opens no other connection. Each command is one line of JSON, an object with
// "do"; each answer is one line of JSON on stdout, {"ok": ...} or {"error": "..."}. The first line
// says where it listens. End of input or "stop" ends it.
//
//   {"do": "mine", "n": 5}             mines on the tip                -> {"height", "hash"}
//   {"do": "fork", "back": 10, "n": 12} mines n blocks on the block that lies `back` below the tip;
//                                      the longer branch takes over    -> {"height", "hash"}
//   {"do": "tip"}                                                      -> {"height", "hash"}
//   {"do": "headers", "from": 0, "to": 9}                              -> [{height, hash, ...}]
//   {"do": "peers"}                                                    -> how many are connected
'use strict';

process.env.NODE_BACKEND = 'js';

// The database back end that it would load for a node on disk is a native add-on; in memory it is
// never called.
const Module = require('module');
const load = Module._load;
Module._load = function (request, ...rest) {
  return /leveldown/.test(request) ? class {} : load.call(this, request, ...rest);
};

const net = require('net');
const readline = require('readline');
const { FullNode } = require('bcoin');

function say(object) {
  process.stdout.write(JSON.stringify(object) + '\n');
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// bcoin keeps hashes as hex in internal byte order; people read them reversed.
function display(hash) {
  return Buffer.from(hash, 'hex').reverse().toString('hex');
}

function row(entry) {
  return {
    height: entry.height,
    hash: entry.rhash(),
    version: entry.version,
    prev: display(entry.prevBlock),
    merkle: display(entry.merkleRoot),
    time: entry.time,
    bits: entry.bits,
    nonce: entry.nonce,
    work: entry.chainwork.toString('hex', 64),
  };
}

async function mine(node, n, onto) {
  let entry = onto || node.chain.tip;
  for (let i = 0; i < n; i++) {
    const block = await node.miner.mineBlock(entry);
    entry = await node.chain.add(block);
    if (!entry)
      throw new Error('its own chain refused a mined block');
  }
  return tip(node);
}

function tip(node) {
  return { height: node.chain.tip.height, hash: node.chain.tip.rhash() };
}

const commands = {
  mine: (node, { n }) => mine(node, n),
  async fork(node, { back, n }) {
    const base = await node.chain.getEntryByHeight(node.chain.tip.height - back);
    return mine(node, n, base);
  },
  tip: node => tip(node),
  async headers(node, { from, to }) {
    const rows = [];
    for (let height = from; height <= to; height++)
      rows.push(row(await node.chain.getEntryByHeight(height)));
    return rows;
  },
  peers: node => node.pool.peers.size(),
};

(async () => {
  const port = await freePort();
  const node = new FullNode({
    network: 'regtest',
    memory: true,
    workers: false,
    listen: true,
    host: '127.0.0.1',
    port,
    publicHost: '127.0.0.1',
    maxOutbound: 1,
    only: [],
    discover: false,
    noDns: true,
    upnp: false,
    noAuth: true,
    httpHost: '127.0.0.1',
    httpPort: await freePort(),
    logConsole: false,
    logFile: false,
  });
  await node.open();
  await node.connect();
  node.startSync();
  say({ ok: { port } });

  for await (const line of readline.createInterface({ input: process.stdin })) {
    try {
      const command = JSON.parse(line);
      if (command.do === 'stop')
        break;
      if (!Object.prototype.hasOwnProperty.call(commands, command.do))
        throw new Error(`no such command: ${command.do}`);
      say({ ok: await commands[command.do](node, command) });
    } catch (error) {
      say({ error: error.message });
    }
  }
  await node.close();
  process.exit(0);
})().catch((error) => {
  say({ error: error.stack });
  process.exit(1);
});
