CREATE TABLE np_github_organizations (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, login text, name text, description text, email
    text, public_repos bigint, followers bigint, html_url text, created_at timestamptz, updated_at timestamptz, data jsonb
    NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);

CREATE TABLE np_github_repositories (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, owner_id bigint, owner text, name text, full_name
    text, description text, default_branch text, language text, visibility text, private boolean, fork boolean, archived
    boolean, stargazers bigint, forks bigint, open_issues bigint, size bigint, topics jsonb, html_url text, pushed_at
    timestamptz, created_at timestamptz, updated_at timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at
    timestamptz, PRIMARY KEY (source_account_id, id)
);

CREATE TABLE np_github_branches (
    source_account_id text NOT NULL DEFAULT 'primary', repository_id bigint NOT NULL, name text NOT NULL, sha text,
    protected boolean, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY
    (source_account_id, repository_id, name)
);

CREATE TABLE np_github_tags (
    source_account_id text NOT NULL DEFAULT 'primary', repository_id bigint NOT NULL, name text NOT NULL, sha text, data
    jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, repository_id, name)
);

CREATE TABLE np_github_labels (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, name text, color text,
    description text, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY
    (source_account_id, id)
);
CREATE INDEX ON np_github_labels (source_account_id, repository_id);

CREATE TABLE np_github_milestones (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, number bigint, title text,
    state text, description text, open_issues bigint, closed_issues bigint, due_on timestamptz, closed_at timestamptz,
    created_at timestamptz, updated_at timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz,
    PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_github_milestones (source_account_id, repository_id);

CREATE TABLE np_github_issues (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, number bigint, title text,
    body text, state text, state_reason text, author_id bigint, author text, labels jsonb, assignees jsonb, milestone_id
    bigint, comments bigint, locked boolean, html_url text, closed_at timestamptz, created_at timestamptz, updated_at
    timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id,
    id)
);
CREATE INDEX ON np_github_issues (source_account_id, repository_id);
CREATE INDEX ON np_github_issues (updated_at DESC);

CREATE TABLE np_github_pull_requests (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, number bigint, title text,
    body text, state text, draft boolean, merged boolean, author_id bigint, author text, head_ref text, head_sha text,
    base_ref text, base_sha text, merge_commit_sha text, labels jsonb, assignees jsonb, reviewers jsonb, milestone_id
    bigint, additions bigint, deletions bigint, changed_files bigint, html_url text, merged_at timestamptz, closed_at
    timestamptz, created_at timestamptz, updated_at timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at
    timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_github_pull_requests (source_account_id, repository_id);
CREATE INDEX ON np_github_pull_requests (updated_at DESC);

CREATE TABLE np_github_pr_reviews (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, pull_request_number bigint,
    author_id bigint, author text, state text, body text, commit_sha text, html_url text, submitted_at timestamptz, data
    jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_github_pr_reviews (source_account_id, repository_id);
CREATE INDEX ON np_github_pr_reviews (submitted_at DESC);

CREATE TABLE np_github_issue_comments (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, issue_number bigint,
    author_id bigint, author text, body text, html_url text, created_at timestamptz, updated_at timestamptz, data jsonb NOT
    NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_github_issue_comments (source_account_id, repository_id);

CREATE TABLE np_github_pr_review_comments (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, pull_request_number bigint,
    review_id bigint, in_reply_to_id bigint, author_id bigint, author text, body text, path text, line bigint, side text,
    commit_sha text, html_url text, created_at timestamptz, updated_at timestamptz, data jsonb NOT NULL, as_of timestamptz
    NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_github_pr_review_comments (source_account_id, repository_id);

CREATE TABLE np_github_commit_comments (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, commit_sha text, author_id
    bigint, author text, body text, path text, position bigint, html_url text, created_at timestamptz, updated_at
    timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id,
    id)
);
CREATE INDEX ON np_github_commit_comments (source_account_id, repository_id);

CREATE TABLE np_github_commits (
    source_account_id text NOT NULL DEFAULT 'primary', repository_id bigint NOT NULL, sha text NOT NULL, message text,
    author_name text, author_email text, authored_at timestamptz, committed_at timestamptz, author_id bigint, author text,
    parents jsonb, verified boolean, html_url text, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz,
    PRIMARY KEY (source_account_id, repository_id, sha)
);
CREATE INDEX ON np_github_commits (committed_at DESC);

CREATE TABLE np_github_releases (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, tag text, name text, body
    text, draft boolean, prerelease boolean, author_id bigint, author text, target text, html_url text, published_at
    timestamptz, created_at timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY
    KEY (source_account_id, id)
);
CREATE INDEX ON np_github_releases (source_account_id, repository_id);

CREATE TABLE np_github_workflows (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, name text, path text, state
    text, html_url text, created_at timestamptz, updated_at timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL,
    deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_github_workflows (source_account_id, repository_id);

CREATE TABLE np_github_workflow_runs (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, workflow_id bigint, name
    text, run_number bigint, run_attempt bigint, event text, status text, conclusion text, head_branch text, head_sha text,
    actor_id bigint, actor text, html_url text, run_started_at timestamptz, created_at timestamptz, updated_at timestamptz,
    data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_github_workflow_runs (source_account_id, repository_id);
CREATE INDEX ON np_github_workflow_runs (updated_at DESC);

CREATE TABLE np_github_workflow_jobs (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, run_id bigint, run_attempt
    bigint, name text, status text, conclusion text, head_sha text, runner_name text, labels jsonb, steps jsonb, html_url
    text, started_at timestamptz, completed_at timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at
    timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_github_workflow_jobs (source_account_id, repository_id);

CREATE TABLE np_github_check_suites (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, app text, status text,
    conclusion text, head_branch text, head_sha text, created_at timestamptz, updated_at timestamptz, data jsonb NOT NULL,
    as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_github_check_suites (source_account_id, repository_id);

CREATE TABLE np_github_check_runs (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, check_suite_id bigint, app
    text, name text, status text, conclusion text, head_sha text, html_url text, started_at timestamptz, completed_at
    timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id,
    id)
);
CREATE INDEX ON np_github_check_runs (source_account_id, repository_id);

CREATE TABLE np_github_deployments (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, repository_id bigint, environment text, ref text,
    sha text, task text, description text, creator_id bigint, creator text, state text, created_at timestamptz, updated_at
    timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id,
    id)
);
CREATE INDEX ON np_github_deployments (source_account_id, repository_id);

CREATE TABLE np_github_teams (
    source_account_id text NOT NULL DEFAULT 'primary', id bigint NOT NULL, organization text, name text, slug text,
    description text, privacy text, permission text, parent_id bigint, html_url text, data jsonb NOT NULL, as_of timestamptz
    NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);

CREATE TABLE np_github_collaborators (
    source_account_id text NOT NULL DEFAULT 'primary', repository_id bigint NOT NULL, id bigint NOT NULL, login text, type
    text, role_name text, permissions jsonb, html_url text, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at
    timestamptz, PRIMARY KEY (source_account_id, repository_id, id)
);

CREATE TABLE np_github_webhook_events (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, type text NOT NULL, action text, repository_id bigint,
    sender text, data jsonb NOT NULL, received_at timestamptz NOT NULL, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_github_webhook_events (source_account_id, received_at DESC);

CREATE TABLE np_github_syncs (
    source_account_id text NOT NULL, scope text NOT NULL, resource text NOT NULL, started_at timestamptz NOT NULL,
    finished_at timestamptz, complete_until timestamptz, objects bigint NOT NULL DEFAULT 0, removed bigint NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '', PRIMARY KEY (source_account_id, scope, resource)
);
COMMENT ON COLUMN np_github_syncs.complete_until IS 'What changed before this moment is here; the next sync asks for what changed since';

CREATE VIEW np_github_open_pull_requests AS
SELECT p.source_account_id, r.full_name AS repository, p.number, p.title, p.author, p.draft, p.head_ref, p.base_ref, p.created_at, p.updated_at,
       (SELECT count(*) FROM np_github_pr_reviews v WHERE v.source_account_id = p.source_account_id AND v.repository_id = p.repository_id
        AND v.pull_request_number = p.number AND v.state = 'APPROVED' AND v.deleted_at IS NULL) AS approvals
FROM np_github_pull_requests p
JOIN np_github_repositories r ON r.source_account_id = p.source_account_id AND r.id = p.repository_id
WHERE p.state = 'open' AND p.deleted_at IS NULL;

-- How each workflow fares: runs, failures and how long they take, by day.
CREATE VIEW np_github_workflow_health AS
SELECT w.source_account_id, r.full_name AS repository, w.name AS workflow, w.created_at::date AS day, count(*) AS runs,
       count(*) FILTER (WHERE w.conclusion = 'failure') AS failures,
       avg(extract(epoch FROM w.updated_at - w.run_started_at)) FILTER (WHERE w.status = 'completed') AS average_seconds
FROM np_github_workflow_runs w
JOIN np_github_repositories r ON r.source_account_id = w.source_account_id AND r.id = w.repository_id
WHERE w.deleted_at IS NULL GROUP BY 1, 2, 3, 4;
