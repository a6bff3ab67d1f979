// An OpenID provider for tests: certified code, and people who are signed in without being asked.
//
// `OIDC_CLIENT` is the one client's metadata as JSON. The port that it listens on is the first line of its output. `POST /control` takes
// JSON: `{"groups": [...]}` gives the person other groups, `{"rotate": true}` swaps the signing key.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import Provider from 'oidc-provider';

const client = JSON.parse(process.env.OIDC_CLIENT);
const person = { groups: ['warehouse'] };
let current;

function signingKey() {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  return { ...key, kid: randomUUID(), use: 'sig', alg: 'RS256' };
}

function lookedUp(done, { all } = {}) {
  return all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
}

function provider(issuer) {
  const made = new Provider(issuer, {
    clients: [client],
    jwks: { keys: [signingKey()] },
    cookies: { keys: ['a secret of the test'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
    conformIdTokenClaims: false,
    pkce: { methods: ['S256'], required: () => true },
    acrValues: ['urn:example:mfa'],
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@acme.example`, email_verified: true, groups: person.groups }),
    }),
    // Consent was given before anybody asked.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope('openid email groups');
      await grant.save();
      return grant;
    },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => {
          ctx.body = `<!doctype html><title>Sign out</title>${form}
            <button autofocus type="submit" form="op.logoutForm" value="yes" name="logout">Sign out here, too</button>`;
        },
      },
    },
    // A tenant's host is a name that only browsers resolve.
    httpOptions: () => ({ dnsLookup: (_, options, done) => lookedUp(typeof options === 'function' ? options : done, options) }),
  });
  made.on('server_error', (_, error) => console.error(error));
  made.on('backchannel.error', (_, error) => console.error(error));
  made.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { prompt, params } = await made.interactionDetails(ctx.req, ctx.res);
    if (prompt.name !== 'login') throw new Error(`unexpected prompt ${prompt.name}`);
    const acr = params.acr_values ? params.acr_values.split(' ')[0] : undefined;
    const login = { accountId: 'ada', remember: true, acr, amr: ['pwd'] };
    await made.interactionFinished(ctx.req, ctx.res, { login }, { mergeWithLastSubmission: false });
    ctx.respond = false;
  });
  return made;
}

async function control(request, response) {
  let text = '';
  for await (const chunk of request) text += chunk;
  const wish = JSON.parse(text);
  if (wish.groups) person.groups = wish.groups;
  // A provider that rotates its key goes on with its sessions: they live outside of it.
  if (wish.rotate) current = provider(current.issuer);
  response.writeHead(204).end();
}

const server = createServer((request, response) => {
  if (request.url === '/control') control(request, response);
  else current.callback()(request, response);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  current = provider(`http://127.0.0.1:${port}`);
  console.log(`listening on ${port}`);
});
