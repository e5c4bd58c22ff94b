// Ready-made answers: policies of buckets, lifecycle rules, what the ready-made policies of keys are for, and the
// lines that set a client up. Pure texts; nothing here talks to the server.

/** What kinds of buckets can be made in one go. */
export const BUCKETS = [
  ["plain", "Plain", "Objects are replaced and deleted for good."],
  ["versioned", "Versioned", "Every overwritten or deleted object stays as an older version."],
  [
    "backup",
    "Backup with object lock",
    "Versions cannot be deleted before their retention ends, not even by mistake. Object lock cannot be switched off again.",
  ],
  [
    "website",
    "Public website",
    "Everybody may read every object. Serves index.html if the server has a website domain.",
  ],
];

const policy = (...statements) => ({ Version: "2012-10-17", Statement: statements });

/** Policies of a bucket to begin with. */
export function bucketPolicies(bucket) {
  const [all, itself] = [`arn:aws:s3:::${bucket}/*`, `arn:aws:s3:::${bucket}`];
  return [
    [
      "Everybody may read",
      policy({ Sid: "PublicRead", Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: all }),
    ],
    [
      "Everybody may read and list",
      policy({
        Sid: "PublicReadAndList",
        Effect: "Allow",
        Principal: "*",
        Action: ["s3:GetObject", "s3:ListBucket"],
        Resource: [itself, all],
      }),
    ],
    [
      "Another key may read",
      policy({
        Sid: "OneReader",
        Effect: "Allow",
        Principal: { AWS: "arn:aws:iam::ACCOUNT:user/NAME" },
        Action: ["s3:GetObject", "s3:ListBucket"],
        Resource: [itself, all],
      }),
    ],
    [
      "Only over TLS",
      policy({
        Sid: "OnlyTls",
        Effect: "Deny",
        Principal: "*",
        Action: "s3:*",
        Resource: [itself, all],
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      }),
    ],
  ];
}

/** What a key with a ready-made policy is for. Policies that are not named here are shown by their name. */
export const KEY_POLICIES = {
  admin: "Everything, and this console with all of its pages.",
  full: "Everything in S3 that its owner may.",
  "read-only": "Read and list; change nothing.",
  "write-only": "Upload; neither read, list nor delete.",
  "restic-append-only": "Backups with restic that nobody can delete or overwrite with this key.",
  "kopia-append-only": "Backups with Kopia that nobody can delete or overwrite with this key.",
  "pbs-append-only": "Backups of Proxmox Backup Server; pruning needs another key.",
};

/** A policy of a key to begin with. */
export const KEY_DOCUMENT = policy({
  Effect: "Allow",
  Action: ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
  Resource: ["arn:aws:s3:::BUCKET", "arn:aws:s3:::BUCKET/*"],
});

/** Lifecycle rules to begin with. */
export const LIFECYCLE = [
  ["Tidy up unfinished uploads", { id: "tidy-uploads", abortDays: 7 }],
  ["Keep old versions for 30 days", { id: "old-versions", noncurrentDays: 30, removeMarkers: true }],
  ["Delete objects after 90 days", { id: "expire", days: 90 }],
  ["Keep the newest 5 versions", { id: "newest-versions", noncurrentDays: 1, newer: 4, removeMarkers: true }],
];

/** A CORS configuration to begin with. */
export const CORS = [
  {
    AllowedOrigins: ["https://example.com"],
    AllowedMethods: ["GET", "HEAD"],
    AllowedHeaders: ["*"],
    ExposeHeaders: ["ETag"],
    MaxAgeSeconds: 3600,
  },
];

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
/** A word as a shell takes it; quoted only if it must be. */
const word = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : quoted(text));

function resticLines({ url, place, policy }) {
  return [
    "# The password of the repository. Keep a copy elsewhere: without it, nobody can read the backups.",
    'export RESTIC_PASSWORD_FILE="$HOME/.restic-password"',
    '[ -e "$RESTIC_PASSWORD_FILE" ] || (umask 077 && head -c 24 /dev/urandom | base64 > "$RESTIC_PASSWORD_FILE")',
    `restic -r ${word(`s3:${url}/${place}`)} init`,
    `restic -r ${word(`s3:${url}/${place}`)} backup "$HOME/Documents"`,
    policy === "restic-append-only"
      ? "# This key cannot take backups away: `restic forget --prune` is refused, and needs another key."
      : null,
  ];
}

function kopiaLines({ url, region, place }) {
  const { protocol, host } = new URL(url);
  return [
    `kopia repository create s3 --bucket=${word(place)} --endpoint=${word(host)} --region=${word(region)}` +
      (protocol === "http:" ? " --disable-tls" : ""),
    'kopia snapshot create "$HOME/Documents"',
  ];
}

/**
 * The commands that set clients up with a key, to be pasted into a shell: `[name, text]`, that of the key's purpose
 * first. The secret is in the environment, because other users of a machine see command lines.
 */
export function snippets({ id, secret, url, region, bucket, policy = null }) {
  const place = bucket ?? "BUCKET";
  const variables = [
    `export AWS_ACCESS_KEY_ID=${quoted(id)}`,
    `export AWS_SECRET_ACCESS_KEY=${quoted(secret)}`,
    `export AWS_DEFAULT_REGION=${word(region)}`,
  ];
  const clients = {
    restic: resticLines({ url, place, policy }),
    aws: [`aws --endpoint-url ${word(url)} s3 ls s3://${bucket ?? ""}`],
    rclone: [
      `rclone config create sluicegate s3 provider=Other env_auth=true endpoint=${word(url)} region=${word(region)}`,
      `rclone lsf sluicegate:${bucket ?? ""}`,
    ],
    kopia: kopiaLines({ url, region, place }),
  };
  const names = Object.keys(clients);
  const first = names.find((name) => policy?.startsWith(name)) ?? "restic";
  return [first, ...names.filter((name) => name !== first)].map((name) => [
    name,
    [...variables, ...clients[name]].filter((line) => line !== null).join("\n"),
  ]);
}
