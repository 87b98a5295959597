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
//   {"do": "block", "hash"}                                            -> {hash, raw, txids, wtxids}
//   {"do": "blocks", "from": 1, "to": 9} of the best chain             -> [raw]
//   {"do": "add", "blocks": [raw]}     as if they had come from the network -> {"height", "hash"}
//   {"do": "spend", "height": 5}       spends that block's coinbase, to the same key, in a segwit
//                                      transaction; with "keep" it is only made -> {txid, wtxid, raw,
//                                      program: of the key, as outputs and filters carry it}
//   {"do": "mempool"}                                                  -> [txid]
//   {"do": "dial", "port": 1}          dials 127.0.0.1
//   {"do": "ping"}                     pings every peer
//   {"do": "raw", "hex": "00"}         writes these bytes to every peer
//   {"do": "known", "add": [host:port]} the addresses that it would give to a getaddr
//   {"do": "peers"}                                                    -> [what it knows of each]
//   {"do": "log"}                      what happened to peers since it was asked last: errors, bans,
//                                      ends, reject messages received  -> [text]
//   {"do": "unban"}
//
// Its argument, if any, is JSON as well: {"port": 1} is where it listens, {"bip37": true} offers bloom
// filters, {"feeRate": 1000} is what it tells peers in a feefilter, {"deployed": true} has all deployments
// (segwit) active from genesis on, as Bitcoin Core's regtest has.
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
const { Block, FullNode, KeyRing, MTX } = require('bcoin');
const NetAddress = require('bcoin/lib/net/netaddress');
const common = require('bcoin/lib/net/common');
const { thresholdStates } = require('bcoin/lib/blockchain/common');

const options = JSON.parse(process.argv[2] || '{}');
const key = KeyRing.generate();
key.witness = true;
const happened = [];

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

async function spend(node, { height, keep }) {
  const entry = await node.chain.getEntryByHeight(height);
  const block = await node.chain.getBlock(entry.hash);
  const tx = new MTX();
  tx.addTX(block.txs[0], 0, height);
  tx.addOutput(key.getAddress(), block.txs[0].outputs[0].value - 100000);
  tx.sign(key);
  if (!keep)
    await node.sendTX(tx.toTX());
  return {
    txid: tx.txid(),
    wtxid: tx.wtxid(),
    raw: tx.toRaw().toString('hex'),
    program: key.getKeyHash('hex'),
  };
}

// An outbound connection of the node's own, as its pool makes them.
function dial(node, { port }) {
  const address = NetAddress.fromHostname(`127.0.0.1:${port}`, node.network);
  node.pool.peers.add(node.pool.createOutbound(address));
  return address.hostname;
}

function known(node, { add }) {
  const { hosts } = node.pool;
  for (const hostname of add || []) {
    const address = NetAddress.fromHostname(hostname, node.network);
    address.services = common.services.NETWORK | common.services.WITNESS;
    address.time = Math.floor(Date.now() / 1000);
    hosts.add(address);
  }
  return hosts.toArray().map(address => address.hostname);
}

function eachPeer(node, act) {
  let n = 0;
  for (let peer = node.pool.peers.head(); peer; peer = peer.next, n++)
    act(peer);
  return n;
}

function peers(node) {
  const rows = [];
  for (let peer = node.pool.peers.head(); peer; peer = peer.next) {
    rows.push({
      address: peer.hostname(),
      outbound: peer.outbound,
      handshake: peer.handshake,
      version: peer.version,
      services: peer.services,
      agent: peer.agent,
      height: peer.height,
      preferHeaders: peer.preferHeaders,
      feeRate: peer.feeRate,
      filter: peer.spvFilter !== null,
      noRelay: peer.noRelay,
      pinged: peer.lastPong !== -1,
      pinging: peer.challenge !== null,
      banScore: peer.banScore,
    });
  }
  return rows;
}

// Notes what becomes of every peer of the pool.
function watch(pool) {
  const bind = pool.bindPeer;
  pool.bindPeer = function (peer) {
    bind.call(pool, peer);
    peer.on('error', error => happened.push(`error: ${error.message}`));
    peer.on('ban', () => happened.push('ban'));
    peer.on('close', () => happened.push('close'));
    peer.on('packet', (packet) => {
      if (packet.cmd === 'reject')
        happened.push(`reject: ${packet.message} ${packet.getCode()} ${packet.reason}`);
    });
  };
  // It would dial addresses that the tests tell it.
  pool.getHost = () => null;
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
  async block(node, { hash }) {
    const block = await node.chain.getBlock(display(hash));
    return {
      hash: block.rhash(),
      raw: block.toRaw().toString('hex'),
      txids: block.txs.map(tx => tx.txid()),
      wtxids: block.txs.map(tx => tx.wtxid()),
    };
  },
  async blocks(node, { from, to }) {
    const raws = [];
    for (let height = from; height <= to; height++) {
      const entry = await node.chain.getEntryByHeight(height);
      raws.push((await node.chain.getBlock(entry.hash)).toRaw().toString('hex'));
    }
    return raws;
  },
  async add(node, { blocks }) {
    for (const raw of blocks) {
      if (!await node.chain.add(Block.fromRaw(Buffer.from(raw, 'hex'))))
        throw new Error('a block was not taken');
    }
    return tip(node);
  },
  spend,
  mempool: node => Array.from(node.mempool.map.keys(), display),
  dial,
  ping: node => eachPeer(node, peer => peer.sendPing()),
  raw: (node, { hex }) => eachPeer(node, peer => peer.write(Buffer.from(hex, 'hex'))),
  known,
  peers,
  log: () => happened.splice(0),
  unban: node => node.pool.hosts.clearBanned(),
};

(async () => {
  const port = options.port || await freePort();
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
    bip37: options.bip37 || false,
    noAuth: true,
    httpHost: '127.0.0.1',
    httpPort: await freePort(),
    logConsole: false,
    logFile: false,
  });
  if (options.deployed)
    node.chain.getState = async () => thresholdStates.ACTIVE;
  watch(node.pool);
  if (options.feeRate)
    node.pool.options.feeRate = options.feeRate;
  await node.open();
  node.miner.addAddress(key.getAddress());
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
      const answer = await commands[command.do](node, command);
      say({ ok: answer === undefined ? null : answer });
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
