// A second opinion of passkeys: npm's @simplewebauthn/server. `passkey_oracle.mjs FOLDER`: packages are below FOLDER; what is asked stands on
// standard input as JSON, and of each registration and assertion it says whether it is good.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { readFileSync } from 'node:fs'

const from = createRequire(`${process.argv[2]}/x.js`)
const { verifyRegistrationResponse, verifyAuthenticationResponse } = await import(pathToFileURL(from.resolve('@simplewebauthn/server')))
const { origin, rp, registrations, assertions } = JSON.parse(readFileSync(0, 'utf8'))
const party = { expectedOrigin: origin, expectedRPID: rp, requireUserVerification: true }
const response = (id, said) => ({ id, rawId: id, type: 'public-key', clientExtensionResults: {}, response: said })
const good = async (verify) => {
  try {
    return (await verify()).verified
  } catch {
    return false
  }
}

const told = { registrations: [], assertions: [] }
for (const { challenge, id, client_data, attestation } of registrations) {
  const said = response(id, { clientDataJSON: client_data, attestationObject: attestation })
  told.registrations.push(await good(() => verifyRegistrationResponse({ response: said, expectedChallenge: challenge, ...party })))
}
for (const { challenge, id, client_data, authenticator_data, signature, user_handle, public_key } of assertions) {
  const said = response(id, { clientDataJSON: client_data, authenticatorData: authenticator_data, signature, userHandle: user_handle })
  const credential = { id, publicKey: new Uint8Array(Buffer.from(public_key, 'base64url')), counter: 0 }
  told.assertions.push(await good(() => verifyAuthenticationResponse({ response: said, expectedChallenge: challenge, credential, ...party })))
}
console.log(JSON.stringify(told))
