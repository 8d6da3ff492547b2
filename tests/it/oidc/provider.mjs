// A provider of OpenID Connect: npm's oidc-provider. `provider.mjs FOLDER PORT SETTINGS`: packages are below FOLDER; SETTINGS are JSON,
// with the clients and with the claims of everybody who can log in there, by no more than saying who they are.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [folder, port, text] = process.argv.slice(2)
const { clients, people } = JSON.parse(text)
const { default: Provider } = await import(pathToFileURL(createRequire(`${folder}/x.js`).resolve('oidc-provider')))
const scope = 'openid email profile groups'

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients,
  claims: { email: ['email', 'email_verified'], profile: ['preferred_username', 'given_name', 'family_name'], groups: ['groups'] },
  scopes: scope.split(' '),
  conformIdTokenClaims: false,
  features: { devInteractions: { enabled: false } },
  pkce: { required: () => true },
  cookies: { keys: ['of a test'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant: async ({ oidc }) => {
    const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId })
    grant.addOIDCScope(scope)
    await grant.save()
    return grant
  },
})
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next()
  if (ctx.method === 'GET') {
    ctx.type = 'html'
    ctx.body = '<title>Provider</title><form method="post"><input name="username"><button>Log in</button></form>'
    return
  }
  let body = ''
  for await (const piece of ctx.req) body += piece
  const accountId = new URLSearchParams(body).get('username')
  ctx.respond = false
  await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId } })
})
provider.on('server_error', (_, error) => console.error(error))
provider.listen(Number(port), '127.0.0.1')
