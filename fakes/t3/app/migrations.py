"""The migrations of t3, 1 to 60, with their real names.

Up to 32 they build, statement for statement, the tables of real databases at ledger 30 and 32
(tests compare the text); 33 to 54 are additions under the real names, some with the real columns.
What 55 to 60 execute, V2's own, stands in `v2schema`, which only V2 releases load.
"""

from __future__ import annotations

from collections.abc import Mapping

LEDGER = """CREATE TABLE IF NOT EXISTS "effect_sql_migrations" (
  migration_id integer PRIMARY KEY NOT NULL,
  created_at datetime NOT NULL DEFAULT current_timestamp,
  name VARCHAR(255) NOT NULL
)"""

NAMES = (
    "OrchestrationEvents",
    "OrchestrationCommandReceipts",
    "CheckpointDiffBlobs",
    "ProviderSessionRuntime",
    "Projections",
    "ProjectionThreadSessionRuntimeModeColumns",
    "ProjectionThreadMessageAttachments",
    "ProjectionThreadActivitySequence",
    "ProviderSessionRuntimeMode",
    "ProjectionThreadsRuntimeMode",
    "OrchestrationThreadCreatedRuntimeMode",
    "ProjectionThreadsInteractionMode",
    "ProjectionThreadProposedPlans",
    "ProjectionThreadProposedPlanImplementation",
    "ProjectionTurnsSourceProposedPlan",
    "CanonicalizeModelSelections",
    "ProjectionThreadsArchivedAt",
    "ProjectionThreadsArchivedAtIndex",
    "ProjectionSnapshotLookupIndexes",
    "AuthAccessManagement",
    "AuthSessionClientMetadata",
    "AuthSessionLastConnectedAt",
    "ProjectionThreadShellSummary",
    "BackfillProjectionThreadShellSummary",
    "CleanupInvalidProjectionPendingApprovals",
    "CanonicalizeModelSelectionOptions",
    "ProviderSessionRuntimeInstanceId",
    "ProjectionThreadSessionInstanceId",
    "ProjectionThreadDetailOrderingIndexes",
    "ProjectionThreadShellArchiveIndexes",
    "AuthAuthorizationScopes",
    "AuthPairingProofKeyThumbprint",
    "ProjectionThreadsSettled",
    "ProjectionThreadsSnoozed",
    "ProjectionThreadTitleRegeneration",
    "ProjectionThreadsPinned",
    "ProjectionTurnsKeysetIndex",
    "ProjectionThreadsPinOrderKey",
    "ProjectionProjectsDefaultThreadEnvMode",
    "ProjectionProjectFaviconPath",
    "AuthSessionClientConnection",
    "ProjectionThreadLinkedPullRequest",
    "ProjectionThreadsUnsettledAt",
    "ClearAutomaticProjectModelDefaults",
    "ProjectionProjectsAutoPull",
    "RepairAutomaticSettlementTimestamps",
    "ProjectionProjectIcon",
    "ProjectionThreadBranchPullRequest",
    "ProjectionThreadsActiveOrderKey",
    "ProjectionThreadPullRequests",
    "ProjectionThreadMessageContext",
    "ProjectionThreadTitleState",
    "PullRequestFilesViewed",
    "ProjectionThreadsAutoSettleDisabledAt",
    "OrchestrationV2",
    "RemoveRedundantProjectionIndexes",
    "ScheduledTaskWebhooks",
    "WebhookRelayDeliveries",
    "McpAppModelContext",
    "ThreadSnapshotWindowIndexes",
)
"""The name of migration `id` is `NAMES[id - 1]`."""

STATEMENTS: Mapping[int, tuple[str, ...]] = {
    1: (
        """CREATE TABLE orchestration_events (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      event_id TEXT NOT NULL UNIQUE,
      aggregate_kind TEXT NOT NULL,
      stream_id TEXT NOT NULL,
      stream_version INTEGER NOT NULL,
      event_type TEXT NOT NULL,
      occurred_at TEXT NOT NULL,
      command_id TEXT,
      causation_event_id TEXT,
      correlation_id TEXT,
      actor_kind TEXT NOT NULL,
      payload_json TEXT NOT NULL,
      metadata_json TEXT NOT NULL
    )""",
        """CREATE UNIQUE INDEX idx_orch_events_stream_version
    ON orchestration_events(aggregate_kind, stream_id, stream_version)
  """,
        """CREATE INDEX idx_orch_events_stream_sequence
    ON orchestration_events(aggregate_kind, stream_id, sequence)
  """,
        """CREATE INDEX idx_orch_events_command_id
    ON orchestration_events(command_id)
  """,
        """CREATE INDEX idx_orch_events_correlation_id
    ON orchestration_events(correlation_id)
  """,
    ),
    2: (
        """CREATE TABLE orchestration_command_receipts (
      command_id TEXT PRIMARY KEY,
      aggregate_kind TEXT NOT NULL,
      aggregate_id TEXT NOT NULL,
      accepted_at TEXT NOT NULL,
      result_sequence INTEGER NOT NULL,
      status TEXT NOT NULL,
      error TEXT
    )""",
        """CREATE INDEX idx_orch_command_receipts_aggregate
    ON orchestration_command_receipts(aggregate_kind, aggregate_id)
  """,
        """CREATE INDEX idx_orch_command_receipts_sequence
    ON orchestration_command_receipts(result_sequence)
  """,
    ),
    3: (
        """CREATE TABLE checkpoint_diff_blobs (
      thread_id TEXT NOT NULL,
      from_turn_count INTEGER NOT NULL,
      to_turn_count INTEGER NOT NULL,
      diff TEXT NOT NULL,
      created_at TEXT NOT NULL,
      UNIQUE (thread_id, from_turn_count, to_turn_count)
    )""",
        """CREATE INDEX idx_checkpoint_diff_blobs_thread_to_turn
    ON checkpoint_diff_blobs(thread_id, to_turn_count)
  """,
    ),
    4: (
        """CREATE TABLE provider_session_runtime (
      thread_id TEXT PRIMARY KEY,
      provider_name TEXT NOT NULL,
      adapter_key TEXT NOT NULL,
      runtime_mode TEXT NOT NULL DEFAULT 'full-access',
      status TEXT NOT NULL,
      last_seen_at TEXT NOT NULL,
      resume_cursor_json TEXT,
      runtime_payload_json TEXT
    )""",
        """CREATE INDEX idx_provider_session_runtime_status
    ON provider_session_runtime(status)
  """,
        """CREATE INDEX idx_provider_session_runtime_provider
    ON provider_session_runtime(provider_name)
  """,
    ),
    5: (
        """CREATE TABLE projection_projects (
      project_id TEXT PRIMARY KEY,
      title TEXT NOT NULL,
      workspace_root TEXT NOT NULL,
      scripts_json TEXT NOT NULL,
      created_at TEXT NOT NULL,
      updated_at TEXT NOT NULL,
      deleted_at TEXT
    )""",
        """CREATE TABLE projection_threads (
      thread_id TEXT PRIMARY KEY,
      project_id TEXT NOT NULL,
      title TEXT NOT NULL,
      branch TEXT,
      worktree_path TEXT,
      latest_turn_id TEXT,
      created_at TEXT NOT NULL,
      updated_at TEXT NOT NULL,
      deleted_at TEXT
    )""",
        """CREATE TABLE projection_thread_messages (
      message_id TEXT PRIMARY KEY,
      thread_id TEXT NOT NULL,
      turn_id TEXT,
      role TEXT NOT NULL,
      text TEXT NOT NULL,
      is_streaming INTEGER NOT NULL,
      created_at TEXT NOT NULL,
      updated_at TEXT NOT NULL
    )""",
        """CREATE TABLE projection_thread_activities (
      activity_id TEXT PRIMARY KEY,
      thread_id TEXT NOT NULL,
      turn_id TEXT,
      tone TEXT NOT NULL,
      kind TEXT NOT NULL,
      summary TEXT NOT NULL,
      payload_json TEXT NOT NULL,
      created_at TEXT NOT NULL
    )""",
        """CREATE TABLE projection_thread_sessions (
      thread_id TEXT PRIMARY KEY,
      status TEXT NOT NULL,
      provider_name TEXT,
      provider_session_id TEXT,
      provider_thread_id TEXT,
      active_turn_id TEXT,
      last_error TEXT,
      updated_at TEXT NOT NULL
    )""",
        """CREATE TABLE projection_turns (
      row_id INTEGER PRIMARY KEY AUTOINCREMENT,
      thread_id TEXT NOT NULL,
      turn_id TEXT,
      pending_message_id TEXT,
      assistant_message_id TEXT,
      state TEXT NOT NULL,
      requested_at TEXT NOT NULL,
      started_at TEXT,
      completed_at TEXT,
      checkpoint_turn_count INTEGER,
      checkpoint_ref TEXT,
      checkpoint_status TEXT,
      checkpoint_files_json TEXT NOT NULL,
      UNIQUE (thread_id, turn_id),
      UNIQUE (thread_id, checkpoint_turn_count)
    )""",
        """CREATE TABLE projection_pending_approvals (
      request_id TEXT PRIMARY KEY,
      thread_id TEXT NOT NULL,
      turn_id TEXT,
      status TEXT NOT NULL,
      decision TEXT,
      created_at TEXT NOT NULL,
      resolved_at TEXT
    )""",
        """CREATE TABLE projection_state (
      projector TEXT PRIMARY KEY,
      last_applied_sequence INTEGER NOT NULL,
      updated_at TEXT NOT NULL
    )""",
        """CREATE INDEX idx_projection_projects_updated_at
    ON projection_projects(updated_at)
  """,
        """CREATE INDEX idx_projection_threads_project_id
    ON projection_threads(project_id)
  """,
        """CREATE INDEX idx_projection_thread_messages_thread_created
    ON projection_thread_messages(thread_id, created_at)
  """,
        """CREATE INDEX idx_projection_thread_activities_thread_created
    ON projection_thread_activities(thread_id, created_at)
  """,
        """CREATE INDEX idx_projection_thread_sessions_provider_session
    ON projection_thread_sessions(provider_session_id)
  """,
        """CREATE INDEX idx_projection_turns_thread_requested
    ON projection_turns(thread_id, requested_at)
  """,
        """CREATE INDEX idx_projection_turns_thread_checkpoint_completed
    ON projection_turns(thread_id, checkpoint_turn_count, completed_at)
  """,
        """CREATE INDEX idx_projection_pending_approvals_thread_status
    ON projection_pending_approvals(thread_id, status)
  """,
    ),
    6: (
        (
            "ALTER TABLE projection_thread_sessions ADD COLUMN runtime_mode TEXT NOT NULL "
            "DEFAULT 'full-access'"
        ),
    ),
    7: ("ALTER TABLE projection_thread_messages ADD COLUMN attachments_json TEXT",),
    8: (
        "ALTER TABLE projection_thread_activities ADD COLUMN sequence INTEGER",
        """CREATE INDEX idx_projection_thread_activities_thread_sequence
    ON projection_thread_activities(thread_id, sequence)
  """,
    ),
    9: (
        "UPDATE provider_session_runtime SET runtime_mode = 'full-access' WHERE runtime_mode = ''",
    ),
    10: (
        (
            "ALTER TABLE projection_threads ADD COLUMN runtime_mode TEXT NOT NULL DEFAULT "
            "'full-access'"
        ),
    ),
    11: (
        (
            "UPDATE orchestration_events SET payload_json = json_set(payload_json, "
            "'$.runtimeMode', 'full-access') WHERE event_type = 'thread.created' AND "
            "json_extract(payload_json, '$.runtimeMode') IS NULL"
        ),
    ),
    12: (
        (
            "ALTER TABLE projection_threads ADD COLUMN interaction_mode TEXT NOT NULL "
            "DEFAULT 'default'"
        ),
    ),
    13: (
        """CREATE TABLE projection_thread_proposed_plans (
      plan_id TEXT PRIMARY KEY,
      thread_id TEXT NOT NULL,
      turn_id TEXT,
      plan_markdown TEXT NOT NULL,
      created_at TEXT NOT NULL,
      updated_at TEXT NOT NULL
    )""",
        """CREATE INDEX idx_projection_thread_proposed_plans_thread_created
    ON projection_thread_proposed_plans(thread_id, created_at)
  """,
    ),
    14: (
        "ALTER TABLE projection_thread_proposed_plans ADD COLUMN implemented_at TEXT",
        "ALTER TABLE projection_thread_proposed_plans ADD COLUMN implementation_thread_id TEXT",
    ),
    15: (
        "ALTER TABLE projection_turns ADD COLUMN source_proposed_plan_thread_id TEXT",
        "ALTER TABLE projection_turns ADD COLUMN source_proposed_plan_id TEXT",
    ),
    16: (
        "ALTER TABLE projection_projects ADD COLUMN default_model_selection_json TEXT",
        "ALTER TABLE projection_threads ADD COLUMN model_selection_json TEXT",
    ),
    17: ("ALTER TABLE projection_threads ADD COLUMN archived_at TEXT",),
    18: (
        """CREATE INDEX idx_projection_threads_project_archived_at
    ON projection_threads(project_id, archived_at)
  """,
    ),
    19: (
        """CREATE INDEX idx_projection_projects_workspace_root_deleted_at
    ON projection_projects(workspace_root, deleted_at)
  """,
        """CREATE INDEX idx_projection_threads_project_deleted_created
    ON projection_threads(project_id, deleted_at, created_at)
  """,
    ),
    20: (
        """CREATE TABLE auth_pairing_links (
      id TEXT PRIMARY KEY,
      credential TEXT NOT NULL UNIQUE,
      method TEXT NOT NULL,
      role TEXT NOT NULL,
      subject TEXT NOT NULL,
      created_at TEXT NOT NULL,
      expires_at TEXT NOT NULL,
      consumed_at TEXT,
      revoked_at TEXT
    )""",
        """CREATE TABLE auth_sessions (
      session_id TEXT PRIMARY KEY,
      subject TEXT NOT NULL,
      role TEXT NOT NULL,
      method TEXT NOT NULL,
      issued_at TEXT NOT NULL,
      expires_at TEXT NOT NULL,
      revoked_at TEXT
    )""",
        """CREATE INDEX idx_auth_pairing_links_active
    ON auth_pairing_links(revoked_at, consumed_at, expires_at)
  """,
        """CREATE INDEX idx_auth_sessions_active
    ON auth_sessions(revoked_at, expires_at, issued_at)
  """,
    ),
    21: (
        "ALTER TABLE auth_pairing_links ADD COLUMN label TEXT",
        "ALTER TABLE auth_sessions ADD COLUMN client_label TEXT",
        "ALTER TABLE auth_sessions ADD COLUMN client_ip_address TEXT",
        "ALTER TABLE auth_sessions ADD COLUMN client_user_agent TEXT",
        "ALTER TABLE auth_sessions ADD COLUMN client_device_type TEXT NOT NULL DEFAULT 'unknown'",
        "ALTER TABLE auth_sessions ADD COLUMN client_os TEXT",
        "ALTER TABLE auth_sessions ADD COLUMN client_browser TEXT",
    ),
    22: ("ALTER TABLE auth_sessions ADD COLUMN last_connected_at TEXT",),
    23: (
        "ALTER TABLE projection_threads ADD COLUMN latest_user_message_at TEXT",
        (
            "ALTER TABLE projection_threads ADD COLUMN pending_approval_count INTEGER NOT "
            "NULL DEFAULT 0"
        ),
        (
            "ALTER TABLE projection_threads ADD COLUMN pending_user_input_count INTEGER NOT "
            "NULL DEFAULT 0"
        ),
        (
            "ALTER TABLE projection_threads ADD COLUMN has_actionable_proposed_plan INTEGER "
            "NOT NULL DEFAULT 0"
        ),
    ),
    24: (
        (
            "UPDATE projection_threads SET latest_user_message_at = (SELECT max(created_at) "
            "FROM projection_thread_messages AS m WHERE m.thread_id = "
            "projection_threads.thread_id AND m.role = 'user')"
        ),
    ),
    25: (
        (
            "DELETE FROM projection_pending_approvals WHERE thread_id NOT IN (SELECT "
            "thread_id FROM projection_threads)"
        ),
    ),
    26: (
        "UPDATE projection_threads SET model_selection_json = '{}' WHERE model_selection_json = ''",
    ),
    27: (
        "ALTER TABLE provider_session_runtime ADD COLUMN provider_instance_id TEXT",
        """CREATE INDEX idx_provider_session_runtime_instance
    ON provider_session_runtime(provider_instance_id)
  """,
    ),
    28: (
        "ALTER TABLE projection_thread_sessions ADD COLUMN provider_instance_id TEXT",
        """CREATE INDEX idx_projection_thread_sessions_instance
    ON projection_thread_sessions(provider_instance_id)
  """,
    ),
    29: (
        """CREATE INDEX idx_projection_thread_activities_thread_sequence_created_id
    ON projection_thread_activities(thread_id, sequence, created_at, activity_id)
  """,
        """CREATE INDEX idx_projection_thread_messages_thread_created_id
    ON projection_thread_messages(thread_id, created_at, message_id)
  """,
    ),
    30: (
        """CREATE INDEX idx_projection_threads_shell_active
    ON projection_threads(deleted_at, archived_at, project_id, created_at, thread_id)
  """,
        """CREATE INDEX idx_projection_threads_shell_archived
    ON projection_threads(deleted_at, archived_at, project_id, thread_id)
  """,
    ),
    31: (
        "DROP TABLE auth_pairing_links",
        "DROP TABLE auth_sessions",
        """CREATE TABLE auth_pairing_links (
      id TEXT PRIMARY KEY,
      credential TEXT NOT NULL UNIQUE,
      method TEXT NOT NULL,
      scopes TEXT NOT NULL,
      subject TEXT NOT NULL,
      label TEXT,
      created_at TEXT NOT NULL,
      expires_at TEXT NOT NULL,
      consumed_at TEXT,
      revoked_at TEXT
    )""",
        """CREATE TABLE auth_sessions (
      session_id TEXT PRIMARY KEY,
      subject TEXT NOT NULL,
      scopes TEXT NOT NULL,
      method TEXT NOT NULL,
      client_label TEXT,
      client_ip_address TEXT,
      client_user_agent TEXT,
      client_device_type TEXT NOT NULL DEFAULT 'unknown',
      client_os TEXT,
      client_browser TEXT,
      issued_at TEXT NOT NULL,
      expires_at TEXT NOT NULL,
      last_connected_at TEXT,
      revoked_at TEXT
    )""",
        """CREATE INDEX idx_auth_pairing_links_active
    ON auth_pairing_links(revoked_at, consumed_at, expires_at)
  """,
        """CREATE INDEX idx_auth_sessions_active
    ON auth_sessions(revoked_at, expires_at, issued_at)
  """,
    ),
    32: ("ALTER TABLE auth_pairing_links ADD COLUMN proof_key_thumbprint TEXT",),
    33: ("ALTER TABLE projection_threads ADD COLUMN settled_at TEXT",),
    34: ("ALTER TABLE projection_threads ADD COLUMN snoozed_until TEXT",),
    35: ("ALTER TABLE projection_threads ADD COLUMN title_regenerated_at TEXT",),
    36: ("ALTER TABLE projection_threads ADD COLUMN pinned_at TEXT",),
    37: (
        (
            "CREATE INDEX idx_projection_turns_thread_keyset ON projection_turns(thread_id, "
            "requested_at, row_id)"
        ),
    ),
    38: ("ALTER TABLE projection_threads ADD COLUMN pin_order_key TEXT",),
    39: ("ALTER TABLE projection_projects ADD COLUMN default_thread_env_mode TEXT",),
    40: ("ALTER TABLE projection_projects ADD COLUMN favicon_path TEXT",),
    41: (
        "ALTER TABLE auth_sessions ADD COLUMN client_surface TEXT",
        "ALTER TABLE auth_sessions ADD COLUMN client_app_version TEXT",
    ),
    42: ("ALTER TABLE projection_threads ADD COLUMN linked_pull_request_json TEXT",),
    43: ("ALTER TABLE projection_threads ADD COLUMN unsettled_at TEXT",),
    44: (
        (
            "UPDATE orchestration_events SET payload_json = json_remove(payload_json, "
            "'$.defaultModelSelection') WHERE event_type = 'project.created' AND "
            "json_extract(payload_json, '$.automatic') = 1"
        ),
    ),
    45: ("ALTER TABLE projection_projects ADD COLUMN auto_pull INTEGER NOT NULL DEFAULT 0",),
    46: ("UPDATE projection_threads SET settled_at = updated_at WHERE settled_at > updated_at",),
    47: ("ALTER TABLE projection_projects ADD COLUMN project_icon_json TEXT",),
    48: ("ALTER TABLE projection_threads ADD COLUMN branch_pull_request_json TEXT",),
    49: ("ALTER TABLE projection_threads ADD COLUMN active_order_key TEXT",),
    50: (
        """CREATE TABLE projection_thread_pull_requests (
      thread_id TEXT NOT NULL,
      host TEXT NOT NULL,
      repository TEXT NOT NULL,
      number INTEGER NOT NULL,
      url TEXT NOT NULL,
      source TEXT NOT NULL,
      linked_at TEXT NOT NULL,
      snapshot_json TEXT,
      stack_json TEXT,
      PRIMARY KEY (thread_id, host, repository, number)
    )""",
    ),
    51: ("ALTER TABLE projection_thread_messages ADD COLUMN context_json TEXT",),
    52: ("ALTER TABLE projection_threads ADD COLUMN title_state TEXT",),
    53: (
        """CREATE TABLE pull_request_files_viewed (
      provider TEXT NOT NULL,
      host TEXT NOT NULL,
      repository TEXT NOT NULL,
      number INTEGER NOT NULL,
      viewer TEXT NOT NULL,
      path TEXT NOT NULL,
      revision TEXT,
      viewed_at TEXT NOT NULL,
      PRIMARY KEY (provider, host, repository, number, viewer, path)
    )""",
    ),
    54: ("ALTER TABLE projection_threads ADD COLUMN auto_settle_disabled_at TEXT",),
}
"""What each migration up to 54 executes."""

V2_FIRST = 55
"""The first migration of V2; `v2schema` has what it and the later ones execute."""


def statements_of(number: int) -> tuple[str, ...]:
    """Give what migration `number`, 1 to 60, executes."""
    if number < V2_FIRST:
        return STATEMENTS[number]
    from fakes.t3.app.v2schema import STATEMENTS as LATER  # noqa: PLC0415 - V2 releases alone

    return LATER[number]
