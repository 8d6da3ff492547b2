//! Every key of `postern.yaml`, once: its name, what an editor shows, its shape. Defaults stand in brackets.

use super::Key;
use super::Shape::{
    Any, Count, Flag, List, Map, Mode, Named, Rate, Ratio, Secret, Size, SomeOf, Text, Texts, Time, Words,
};

pub(super) const TOP: &[Key] = &[
    Key("listen", "The data port: `ADDRESS:PORT`, or `unix:///PATH`. [127.0.0.1:8080]", Text),
    Key("listen_mode", "Permissions of the Unix socket, in octal digits. [0660]", Mode),
    Key("tls", "TLS on the data port; without it the port speaks plain HTTP. [none]", Map(TLS, 0)),
    Key(
        "proxy_protocol",
        "Connections of `trusted_proxies` must begin with a PROXY header, version 1 or 2. [false]",
        Flag,
    ),
    Key("management", "The address of /metrics, /livez and /readyz. [127.0.0.1:9090]", Text),
    Key(
        "management_hosts",
        "Names and addresses that /metrics answers to, besides the listener's own addresses and localhost. [none]",
        Texts,
    ),
    Key("probes", "An address for /livez and /readyz alone, or `off`. [off]", Text),
    Key("upstreams", "Services behind the gate, by the names that policies use.", Named(&Any(UPSTREAM))),
    Key("policy", "Policy files, together one policy. Without any, nothing is served.", Texts),
    Key(
        "secrets",
        "Secrets that policies may send, by name: `inject: { X-Key: { secret: NAME } }`. Read at the start and at each reload.",
        Named(&Secret),
    ),
    Key("identity", "Who may say who they are, and how.", Map(IDENTITY, 0)),
    Key(
        "public_url",
        "What addresses of this service begin with, as people know them: `https://app.example.com`.",
        Text,
    ),
    Key("mail", "The server that sends letters; needs `public_url`. [none are sent]", Map(MAIL, 2)),
    Key(
        "database",
        "The directory: `sqlite:///PATH` for one replica, `postgres://USER@HOST/DATABASE` for many. [postern.db in the data directory]",
        Any(&[Text, Map(DATABASE, 1)]),
    ),
    Key("schema", "Whose schema the database has; no other value yet. [postern]", Words(&["postern"])),
    Key(
        "compat",
        "Whose manner answers follow, quirks included; `openwisp` needs `identity.token.key`. [none]",
        Words(&["none", "openwisp"]),
    ),
    Key(
        "header_case",
        "Names of headers that clients of HTTP/1.1 are told: in `lower` case, or `title`: `Like-This`. [lower; with `compat: openwisp`, title]",
        Words(&["lower", "title"]),
    ),
    Key(
        "redis",
        "Redis, where replicas share what they have read: a URL, a map, or `off`. [off]",
        Any(&[Text, Map(REDIS, 1)]),
    ),
    Key(
        "trusted_proxies",
        "Networks whose X-Forwarded-*, X-Request-Id and traceparent are believed; never the whole world. [none]",
        Texts,
    ),
    Key(
        "keep_headers",
        "Identity headers that `trusted_proxies` may set: they go on as they came. Of anybody else they are removed.",
        Texts,
    ),
    Key("cache", "Facts in memory.", Map(CACHE, 0)),
    Key("log", "Operational lines and access lines.", Map(LOG, 0)),
    Key("workers", "Data-plane threads. [one for each processor]", Count(1, 1024)),
    Key("limits", "What a stranger can hold or grow.", Map(LIMITS, 0)),
    Key("timeouts", "Time limits; 0 is none.", Map(TIMEOUTS, 0)),
    Key("drain", "The way down, at SIGTERM.", Map(DRAIN, 0)),
    Key("reload", "New files while it serves.", Map(RELOAD, 0)),
    Key("tracing", "Spans for an OpenTelemetry collector, by OTLP over gRPC. [none]", Map(TRACING, 0)),
    Key(
        "audit",
        "Where changes of the directory are written down: a file, `stderr` or `off`. [audit.jsonl beside the embedded store, else in the data directory]",
        Text,
    ),
];

pub(super) const SECRET: &[Key] = &[
    Key("env", "The variable that has it.", Text),
    Key("file", "The file that it is in, relative to this one.", Text),
];

const TLS: &[Key] = &[
    Key("cert", "PEM: the certificate and its chain; shown for names that no other certificate has.", Text),
    Key("key", "PEM: its key.", Text),
    Key("certificates", "Further ones, chosen by the name that the client asks for.", List(&Map(PAIR, 2))),
    Key("client_ca", "PEM: authorities of clients' certificates; without it none is asked for.", Text),
    Key(
        "client_certificate",
        "Whether a client must have one; a wrong one is always refused. [required]",
        Words(&["required", "optional"]),
    ),
];

const PAIR: &[Key] = &[Key("cert", "PEM: the certificate and its chain.", Text), Key("key", "PEM: its key.", Text)];

const UPSTREAM: &[super::Shape] = &[
    Text,
    Map(
        &[
            Key(
                "addresses",
                "`http://HOST:PORT`, `https://HOST:PORT` or `unix:///PATH`, each also as `{ url: URL, weight: N }`; all http or all https.",
                Any(&[Text, Map(ADDRESS, 1), List(&Any(&[Text, Map(ADDRESS, 1)]))]),
            ),
            Key("host", "The `Host` that it sees: `preserve`, `upstream`, or a host name. [preserve]", Text),
            Key(
                "protocol",
                "What is spoken: `auto` goes by the scheme, within TLS by what the handshake agrees on. [auto]",
                Words(&["auto", "http1", "http2"]),
            ),
            Key(
                "header_case",
                "Names of headers that it is told over HTTP/1.1: in `lower` case, or `title`: `Like-This`. [lower]",
                Words(&["lower", "title"]),
            ),
            Key("tls", "For https: whom to believe, and who we are.", Map(UPSTREAM_TLS, 0)),
            Key(
                "balance",
                "`round_robin` by weight; `user` or `organization`: the same address for the same one. [round_robin]",
                Words(&["round_robin", "user", "organization"]),
            ),
            Key("health", "Active checks of each address. [none]", Map(HEALTH, 0)),
            Key("eject", "When an address that fails is left out, and for how long.", Map(EJECT, 0)),
            Key("slow_start", "How long an address that is new or well again takes to its full share. [0s]", Time),
            Key("resolve", "How often host names are resolved; at least 1s. [10s]", Time),
            Key("limits", "Requests at the upstream at once, over all workers.", Map(UPSTREAM_LIMITS, 0)),
        ],
        1,
    ),
];

const ADDRESS: &[Key] = &[
    Key("url", "`http://HOST:PORT`, `https://HOST:PORT` or `unix:///PATH`", Text),
    Key("weight", "Its share beside the others. [1]", Count(1, 1000)),
];

const UPSTREAM_TLS: &[Key] = &[
    Key("ca", "PEM: authorities that are believed instead of the public ones.", Text),
    Key("cert", "PEM: our own certificate.", Text),
    Key("key", "PEM: its key.", Text),
    Key("server_name", "What its certificate must name, where it is not the address.", Text),
];

const HEALTH: &[Key] = &[
    Key("path", "Asked with GET: 2xx is well. Without it, a connection is.", Text),
    Key("every", "Between two checks; at least 100ms. [5s]", Time),
    Key("timeout", "For one check. [2s]", Time),
    Key("healthy", "Good ones in a row to be well again. [1]", Count(1, 1000)),
    Key("unhealthy", "Bad ones in a row to be left out. [2]", Count(1, 1000)),
];

const EJECT: &[Key] = &[
    Key("after", "Failures in a row; 0 is never. [5]", Count(0, 1_000_000)),
    Key("time", "For how long; each further time longer, ten times at most. [10s]", Time),
];

const UPSTREAM_LIMITS: &[Key] = &[
    Key("connections", "Requests at once. [any number]", Count(1, 1_000_000)),
    Key("pending", "Requests that wait for that; more are refused. [100]", Count(0, 1_000_000)),
];

const IDENTITY: &[Key] = &[
    Key(
        "api",
        "What of the identity API is served: `token` is what is about logins, tokens and passwords. [off]",
        Words(&["off", "token"]),
    ),
    Key("prefix", "Where the identity API is; not with `compat: openwisp`. [/api/v1/users/]", Text),
    Key("login", "How people name themselves.", Map(LOGIN, 0)),
    Key("token", "Tokens of logins.", Map(TOKEN, 0)),
    Key("passwords", "How passwords are hashed.", Map(PASSWORDS, 0)),
    Key("jwt", "Issuers of JWTs.", List(&Map(ISSUER, 2))),
    Key("sesame", "Sesame tokens, as Django's settings have them. [off]", Map(SESAME, 1)),
    Key("session", "Sessions. [off]", Map(SESSION, 0)),
];

const MAIL: &[Key] = &[
    Key("server", "The SMTP server: `HOST` or `HOST:PORT`. [port 587; 465 with `tls`, 25 with `none`]", Text),
    Key("from", "Whose letters they are: `postern@example.com` or `Example <postern@example.com>`.", Text),
    Key(
        "tls",
        "`starttls` within the conversation and never without, `tls` from the first byte, or `none`. [starttls]",
        Words(&["starttls", "tls", "none"]),
    ),
    Key("ca", "PEM: certificates that the server is verified with. [the public ones]", Text),
    Key("user", "Who we are there.", Text),
    Key("password", "The password there.", Secret),
    Key("timeout", "For one try, 1s to 5m. [30s]", Time),
];

const LOGIN: &[Key] = &[
    Key("identifiers", "What people may name themselves by. [all]", SomeOf(&["email", "phone", "username"])),
    Key("phone_prefixes", "Put before national numbers: `[\"+39\"]`, at most 16.", Texts),
    Key(
        "usernames",
        "`per_organization`: a login names one, by its slug, as `organization`. [global]",
        Words(&["global", "per_organization"]),
    ),
];

const TOKEN: &[Key] = &[
    Key(
        "throttle",
        "Requests of one client address; `none` turns limits off. [10/minute; 20/day with `compat: openwisp`]",
        Rate,
    ),
    Key(
        "lifetime",
        "How long a token of a login is good: `12h`, `30d`, or `never`. [30d; never with `compat: openwisp`]",
        Any(&[Words(&["never"]), Time]),
    ),
    Key("key", "Encrypts tokens that are told again (`compat: openwisp`); 16 characters or more.", Secret),
];

const PASSWORDS: &[Key] = &[
    Key("algorithm", "How new ones are hashed. [argon2id]", Words(&["argon2id", "pbkdf2_sha256"])),
    Key("memory", "argon2id's memory. [19MiB]", Size),
    Key("passes", "argon2id's passes. [2]", Count(1, 64)),
    Key("lanes", "argon2id's lanes. [1]", Count(1, 64)),
    Key("iterations", "pbkdf2_sha256's iterations. [1000000]", Count(1000, 10_000_000)),
    Key("md5", "Whether Django's salted MD5 is believed. [false]", Flag),
    Key("upgrade", "Whether a login rewrites an older hash. [true]", Flag),
    Key("workers", "Computed at the same time. [half of the processors]", Count(1, 64)),
    Key("queue", "Waiting; more is 503. [64]", Count(0, 10_000)),
    Key("expire_after", "Days after which a password must be changed; 0 is never. [0]", Count(0, 36_525)),
    Key("expire_after_staff", "The same for staff, where it is not 0. [0]", Count(0, 36_525)),
    Key("min_length", "Characters of a new one that people choose. [8; 1 with `compat: openwisp`]", Count(1, 128)),
    Key(
        "link_lifetime",
        "How long a link to choose a new one is good, 1m or more. [1h; 3d with `compat: openwisp`]",
        Time,
    ),
];

const ISSUER: &[Key] = &[
    Key("issuer", "What `iss` must be.", Text),
    Key("audience", "What `aud` must be or contain: a text, a list, or `any` in so many words.", Texts),
    Key(
        "algorithms",
        "How it signs. [RS256]",
        SomeOf(&[
            "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
            "EdDSA", "Ed25519",
        ]),
    ),
    Key("leeway", "How far its clock may be from ours, up to 10m. [30s]", Time),
    Key("jwks", "Its keys: an https address, an http one on the same machine, or a file.", Text),
    Key("ca", "PEM: certificates that its address is verified with. [the public ones]", Text),
    Key("key", "Instead of `jwks`: one public key in PEM, or an HMAC secret.", Secret),
    Key(
        "user",
        "Who its subjects are: users whom `sub` is bound to, the user with that verified e-mail address, what another claim names, or whoever the claims alone say. [sub]",
        Any(&[Words(&["sub", "email", "claims"]), Map(CLAIMED, 2)]),
    ),
    Key("username", "With `user: claims`, the claim that is their `user.username`. [none]", Text),
    Key("username_prefix", "What stands before it, so that it is nobody's in the directory: `example:`.", Text),
    Key("email", "With `user: claims`, the claim that is their `user.email`. [none]", Text),
    Key("email_verified_text", "`email_verified` may be the text `\"true\"`, as some issuers write it. [false]", Flag),
    Key("memberships", "With `user: claims`, the claim that lists organizations.", Map(MEMBERSHIPS, 1)),
    Key("refresh", "How often its keys are fetched. [5m]", Time),
    Key("min_interval", "How often at most because a token names an unknown key. [5s]", Time),
    Key("keep", "How long its keys are believed while nobody answers. [24h]", Time),
];

const CLAIMED: &[Key] = &[
    Key("claim", "The claim.", Text),
    Key("is", "What of a user it is.", Words(&["id", "username", "email", "external_id"])),
];

const MEMBERSHIPS: &[Key] = &[
    Key("claim", "The claim.", Text),
    Key("by", "What of an organization it lists. [id]", Words(&["id", "slug", "external"])),
    Key("level", "The level in each. [member]", Words(&["member", "manager"])),
];

const SESSION: &[Key] = &[
    Key("lifetime", "At least 1m. [12h]", Time),
    Key("same_site", "The cookie's SameSite. [lax]", Words(&["lax", "strict"])),
    Key("secure", "Whether the cookie needs TLS; `false` is for trying things out. [true]", Flag),
];

const SESAME: &[Key] = &[
    Key("key", "SECRET_KEY", Secret),
    Key("fallbacks", "SECRET_KEY_FALLBACKS", List(&Secret)),
    Key("sesame_key", "SESAME_KEY", Secret),
    Key("max_age", "SESAME_MAX_AGE, or `none`. [5m]", Any(&[Words(&["none"]), Time])),
    Key("one_time", "SESAME_ONE_TIME [false]", Flag),
    Key("scope", "What tokens must be made for; others are refused. [those without a scope]", Text),
    Key("query", "The parameter that carries a token. [none]", Any(&[Text, Map(QUERY, 1)])),
    Key("invalidate_on_password_change", "SESAME_INVALIDATE_ON_PASSWORD_CHANGE [true]", Flag),
    Key("invalidate_on_email_change", "SESAME_INVALIDATE_ON_EMAIL_CHANGE [false]", Flag),
    Key("packer", "SESAME_PACKER", Text),
    Key("primary_key_field", "SESAME_PRIMARY_KEY_FIELD [pk]", Text),
    Key(
        "key_type",
        "The type of Django's primary key. [uuid]",
        Words(&[
            "uuid",
            "auto",
            "big_auto",
            "small_auto",
            "positive_integer",
            "positive_big_integer",
            "positive_small_integer",
            "char",
            "binary",
        ]),
    ),
    Key("user", "Which field of ours it is. [by the two above]", Words(&["id", "username", "email", "external_id"])),
    Key("signature_size", "SESAME_SIGNATURE_SIZE [10]", Count(1, 64)),
    Key("salt", "SESAME_SALT [sesame]", Text),
    Key("iterations", "SESAME_ITERATIONS [10000]", Count(1, 1_000_000)),
    Key("versions", "SESAME_TOKENS: which versions are tried, in which order. [v2, v1]", SomeOf(&["v2", "v1"])),
];

const QUERY: &[Key] = &[
    Key("name", "The parameter's name.", Text),
    Key("exchange", "A token becomes a session, and leaves the address. [false]", Flag),
];

const DATABASE: &[Key] = &[
    Key("url", "`sqlite:///PATH` or `postgres://USER@HOST:PORT/DATABASE`", Text),
    Key("password", "The password. [the URL's, else PGPASSWORD]", Secret),
    Key("root_certificate", "PEM: authorities of the server's certificate. [those that browsers trust]", Text),
    Key("connections", "Of this replica, besides the one that follows the changes. [8]", Count(1, 1000)),
];

const REDIS: &[Key] = &[
    Key("url", "`redis://`, `rediss://`, `redis+cluster://`, `redis+sentinel://` and their kind.", Text),
    Key("password", "The password. [the URL's]", Secret),
    Key("sentinel_password", "The sentinels' password.", Secret),
    Key("ca", "PEM: certificates to trust. [the system's]", Text),
    Key("prefix", "How every key begins. [postern:]", Text),
    Key("budget", "How long a request waits for it at most, 1ms to 5s. [50ms]", Time),
];

const CACHE: &[Key] = &[
    Key(
        "max_staleness",
        "Greatest age of the proof behind a cached fact: it bounds how late a revocation can take effect; at least 250ms. [5s]",
        Time,
    ),
    Key("credentials", "Credentials kept in memory. [100000]", Count(1, 100_000_000)),
];

const LOG: &[Key] = &[
    Key("format", "Operational lines on standard error. [text]", Words(&["text", "json"])),
    Key("access", "One JSON line a request on standard output. [true]", Flag),
];

const LIMITS: &[Key] = &[
    Key("connections", "Client connections; further ones wait in the kernel's queue. [10000]", Count(1, 1_000_000)),
    Key("per_address", "Of one address (IPv6: one /64), but for `trusted_proxies`. [7500]", Count(1, 1_000_000)),
    Key("streams", "Open streams of an HTTP/2 connection. [100]", Count(1, 10_000)),
    Key("resets", "Streams that an HTTP/2 client may reset in ten seconds. [200]", Count(1, 10_000)),
    Key("header_bytes", "A request head, 1KiB to 1MiB; more is 431. [32KiB]", Size),
    Key("headers", "Header fields; more is 431. [100]", Count(1, 1000)),
    Key(
        "identity_header",
        "A header that lists all organizations of a caller (`inject: orgs.…`), 1KiB to 64KiB; more is 431. [8KiB]",
        Size,
    ),
    Key("body", "A request body; more is 413. [100MiB]", Size),
    Key("min_rate", "Bytes a second that a body must have on average, both ways; `0B` is none. [2KiB]", Size),
];

const TIMEOUTS: &[Key] = &[
    Key("idle", "A client connection between requests. [75s]", Time),
    Key("head", "A request head, from its first byte to its last. [10s]", Time),
    Key("stall", "What a client may stall over a body before it must keep `limits.min_rate`. [30s]", Time),
    Key("connect", "To be connected to the upstream. [5s]", Time),
    Key("first_byte", "Until the upstream begins its answer. [60s]", Time),
    Key("upstream_idle", "Between two pieces of the upstream's answer. [60s]", Time),
    Key("keep", "An unused upstream connection is kept. [4s]", Time),
];

const DRAIN: &[Key] = &[
    Key("lame_duck", "Not ready, still serving: load balancers take their time to notice. [3s]", Time),
    Key("limit", "For what is in flight. [25s]", Time),
];

const RELOAD: &[Key] = &[Key(
    "wider",
    "What becomes of a policy that lets more through than the one in force. [allow]",
    Words(&["allow", "refuse"]),
)];

const TRACING: &[Key] = &[
    Key("otlp", "The collector, `http://HOST:PORT` or `https://HOST:PORT`, or `off`. [off]", Text),
    Key("sample", "The part of the traces that begin here. [1]", Ratio),
    Key("service", "`service.name` of the spans. [postern]", Text),
    Key("ca", "PEM: certificates that an https collector is verified by. [Mozilla's]", Text),
];
