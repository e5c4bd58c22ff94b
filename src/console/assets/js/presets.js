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

/** The lines that set clients up with a key: `[name, text]`. */
export function snippets({ id, secret, url, bucket }) {
  const place = bucket ?? "BUCKET";
  const variables = `export AWS_ACCESS_KEY_ID=${quoted(id)}\nexport AWS_SECRET_ACCESS_KEY=${quoted(secret)}`;
  return [
    [
      "aws",
      `${variables}\nexport AWS_DEFAULT_REGION=us-east-1\nexport AWS_ENDPOINT_URL=${quoted(url)}\naws s3 ls s3://${bucket ?? ""}`,
    ],
    [
      "rclone",
      `# ~/.config/rclone/rclone.conf\n[sluicegate]\ntype = s3\nprovider = Other\nendpoint = ${url}\nregion = us-east-1\n` +
        `access_key_id = ${id}\nsecret_access_key = ${secret}\n\n# then\nrclone ls sluicegate:${bucket ?? ""}`,
    ],
    [
      "restic",
      `${variables}\nexport RESTIC_REPOSITORY=${quoted(`s3:${url}/${place}`)}\nrestic init\nrestic backup /home`,
    ],
  ];
}
