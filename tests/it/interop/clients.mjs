// Node's http, https, fetch and http2, WebSockets over it too: clients.mjs PLAIN SECURE CA MANAGER FOREIGNER
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { once } from 'node:events'

const [inTheClear, withinTls, caFile, manager, foreigner] = process.argv.slice(2)
const [plain, secure] = [`http://${inTheClear}`, `https://${withinTls}`]
const ca = fs.readFileSync(caFile)
const mine = { authorization: `Bearer ${manager}` }
const theirs = { authorization: `Bearer ${foreigner}` }
const org = '/api/v1/org/a/x'
const SIZES = [10, 50_000, 2_000_000]

async function text(stream) {
  const pieces = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

async function http1(library, base) {
  const agent = new library.Agent({ keepAlive: true, maxSockets: 1, ca })
  const ask = async (method, path, headers, body) => {
    const request = library.request(base + path, { agent, method, headers })
    request.end(body)
    const [answer] = await once(request, 'response')
    return [answer.statusCode, await text(answer)]
  }
  assert.equal((await ask('GET', '/me/x', mine))[0], 200)
  assert.equal(JSON.parse((await ask('POST', org, mine, 'x'.repeat(2_000_000)))[1]).size, 2_000_000)
  for (const size of SIZES) {
    assert.equal((await ask('POST', org, theirs, 'x'.repeat(size)))[0], 403)
    assert.equal((await ask('GET', '/me/x', mine))[0], 200, 'the connection serves on')
  }
  const request = library.request(base + org, { agent, method: 'POST', headers: { ...mine, expect: '100-continue' } })
  request.flushHeaders()
  await once(request, 'continue')
  request.end('hello')
  const [answer] = await once(request, 'response')
  assert.equal(JSON.parse(await text(answer)).size, 5)
  agent.destroy()
}

async function overHttp2(base) {
  const client = http2.connect(base, { ca })
  const ask = async (headers, body) => {
    const request = client.request(headers)
    request.end(body)
    const [head] = await once(request, 'response')
    return [head[':status'], await text(request)]
  }
  assert.equal(JSON.parse((await ask({ ':path': org, ':method': 'POST', ...mine }, 'x'.repeat(2_000_000)))[1]).size, 2_000_000)
  for (const size of SIZES) {
    assert.equal((await ask({ ':path': org, ':method': 'POST', ...theirs }, 'x'.repeat(size)))[0], 403)
  }
  const many = await Promise.all([...Array(200).keys()].map((n) => ask({ ':path': `/me/${n}`, ...mine })))
  assert(many.every(([status]) => status === 200))
  client.close()
}

async function aWebSocketOverHttp2(base) {
  const client = http2.connect(base)
  const [settings] = await once(client, 'remoteSettings')
  assert.equal(settings.enableConnectProtocol, true)
  const open = async (further) => {
    const fields = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/ws/x', ':scheme': 'http', ':authority': 'a' }
    const stream = client.request({ ...fields, 'sec-websocket-version': '13', ...further })
    const [head] = await once(stream, 'response')
    return [head[':status'], stream]
  }
  const [status, stream] = await open(mine)
  assert.equal(status, 200)
  // A short text, masked with zeros.
  stream.write(Buffer.from([0x81, 0x85, 0, 0, 0, 0, ...Buffer.from('hello')]))
  const [frame] = await once(stream, 'data')
  assert.deepEqual([...frame], [0x81, 5, ...Buffer.from('hello')])
  stream.end()
  await once(stream, 'close')
  const [refused, other] = await open({ ...mine, origin: 'https://evil.example' })
  assert.equal(refused, 403)
  other.close()
  client.close()
}

async function fetched(base) {
  for (let n = 0; n < 3; n++) assert.equal((await (await fetch(`${base}/me/${n}`, { headers: mine })).json()).user[0], 'mA')
  const refused = await fetch(base + org, { method: 'POST', headers: theirs, body: 'x'.repeat(3_000_000) })
  assert.equal((await refused.json()).code, 'org_foreign')
}

await http1(http, plain)
await http1(https, secure)
await overHttp2(plain)
await overHttp2(secure)
await aWebSocketOverHttp2(plain)
await fetched(plain)
process.exit(0)
