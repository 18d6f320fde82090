-- The tables of t3's V2 orchestration, as read off public source up to 2026-10-10 (not measured).
-- The fake's migrations 55 to 60 build these; a test compares the two.  Indexes and columns that
-- nobody here needs are left out.  Times are text, ISO-8601 UTC with milliseconds.
-- Sets of status stand in comments; terminal ones after the bar.

-- ledger, kept as in V1
CREATE TABLE effect_sql_migrations (migration_id integer PRIMARY KEY NOT NULL, created_at datetime NOT NULL DEFAULT current_timestamp, name VARCHAR(255) NOT NULL);

-- the one event log (V1 rows version 1, V2 rows version 2) and its receipts
CREATE TABLE orchestration_events (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE,
  aggregate_kind TEXT NOT NULL, stream_id TEXT NOT NULL, stream_version INTEGER NOT NULL,
  event_type TEXT NOT NULL, occurred_at TEXT NOT NULL, command_id TEXT, causation_event_id TEXT,
  correlation_id TEXT, actor_kind TEXT NOT NULL, payload_json TEXT NOT NULL, metadata_json TEXT NOT NULL,
  application_event_version INTEGER NOT NULL DEFAULT 1);           -- added by 55
CREATE TABLE orchestration_command_receipts (
  command_id TEXT PRIMARY KEY, aggregate_kind TEXT NOT NULL, aggregate_id TEXT NOT NULL, accepted_at TEXT NOT NULL,
  result_sequence INTEGER NOT NULL, status TEXT NOT NULL, error TEXT,
  command_type TEXT NOT NULL DEFAULT 'legacy');                    -- added by 55

-- present, but empty after a normal upgrade
CREATE TABLE orchestration_v2_events (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, command_id TEXT, thread_id TEXT NOT NULL,
  run_id TEXT, node_id TEXT, provider TEXT, raw_event_id TEXT, event_type TEXT NOT NULL, occurred_at TEXT NOT NULL,
  payload_json TEXT NOT NULL, driver TEXT, provider_instance_id TEXT);
CREATE TABLE orchestration_v2_command_receipts (
  command_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, command_type TEXT NOT NULL, accepted_at TEXT NOT NULL,
  result_sequence INTEGER NOT NULL, status TEXT NOT NULL, error TEXT);

CREATE TABLE orchestration_v2_projection_metadata (                -- one row: 'thread-projections', 1, newest sequence
  projection_name TEXT PRIMARY KEY, schema_version INTEGER NOT NULL, last_sequence INTEGER NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE orchestration_v2_legacy_imports (                     -- one row per V1 thread; NULL = transcript still to come
  thread_id TEXT PRIMARY KEY, source_updated_at TEXT NOT NULL, shell_imported_at TEXT NOT NULL,
  transcript_imported_at TEXT, imported_message_count INTEGER NOT NULL DEFAULT 0, last_error TEXT);

CREATE TABLE orchestration_v2_projection_threads (
  thread_id TEXT PRIMARY KEY, project_id TEXT NOT NULL, title TEXT NOT NULL, default_provider TEXT NOT NULL,
  runtime_mode TEXT NOT NULL, interaction_mode TEXT NOT NULL, active_provider_thread_id TEXT,
  created_at TEXT NOT NULL, updated_at TEXT NOT NULL, archived_at TEXT, deleted_at TEXT,
  payload_json TEXT NOT NULL, provider_instance_id TEXT);
-- status: preparing queued starting running waiting | completed interrupted failed cancelled rolled_back
CREATE TABLE orchestration_v2_projection_runs (
  run_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, ordinal INTEGER NOT NULL, provider TEXT NOT NULL,
  provider_thread_id TEXT, status TEXT NOT NULL, requested_at TEXT NOT NULL, completed_at TEXT,
  payload_json TEXT NOT NULL,                                      -- queueHeld, startedAt, restartContinuationOfRunId ...
  provider_instance_id TEXT, UNIQUE (thread_id, ordinal));
-- status: pending running | completed interrupted failed cancelled superseded
CREATE TABLE orchestration_v2_projection_run_attempts (
  attempt_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, run_id TEXT NOT NULL, attempt_ordinal INTEGER NOT NULL,
  root_node_id TEXT NOT NULL, provider TEXT NOT NULL, provider_thread_id TEXT NOT NULL, provider_turn_id TEXT,
  status TEXT NOT NULL, payload_json TEXT NOT NULL, provider_instance_id TEXT);
-- status: idle pending running waiting | completed interrupted failed cancelled rolled_back
CREATE TABLE orchestration_v2_projection_nodes (
  node_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, run_id TEXT, parent_node_id TEXT, root_node_id TEXT NOT NULL,
  kind TEXT NOT NULL, status TEXT NOT NULL, provider_thread_id TEXT, provider_turn_id TEXT, runtime_request_id TEXT,
  checkpoint_scope_id TEXT, started_at TEXT, completed_at TEXT, payload_json TEXT NOT NULL);
-- status: starting ready running waiting | stopped error
CREATE TABLE orchestration_v2_projection_provider_sessions (
  provider_session_id TEXT PRIMARY KEY, thread_id TEXT, provider TEXT NOT NULL, status TEXT NOT NULL, model TEXT,
  updated_at TEXT NOT NULL, payload_json TEXT NOT NULL, driver TEXT, provider_instance_id TEXT);
-- status: not_loaded idle active archived closed error; payload_json.pendingBackgroundTasks
CREATE TABLE orchestration_v2_projection_provider_threads (
  provider_thread_id TEXT PRIMARY KEY, thread_id TEXT, owner_node_id TEXT, provider TEXT NOT NULL,
  provider_session_id TEXT, status TEXT NOT NULL, first_run_ordinal INTEGER, last_run_ordinal INTEGER,
  updated_at TEXT NOT NULL, payload_json TEXT NOT NULL, driver TEXT, provider_instance_id TEXT);
-- status: pending running | completed interrupted failed cancelled
CREATE TABLE orchestration_v2_projection_provider_turns (
  provider_turn_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, provider_thread_id TEXT NOT NULL, node_id TEXT NOT NULL,
  run_attempt_id TEXT, ordinal INTEGER NOT NULL, status TEXT NOT NULL, started_at TEXT, completed_at TEXT,
  payload_json TEXT NOT NULL, UNIQUE (provider_thread_id, ordinal));
-- status: pending | resolved expired cancelled; payload_json.responseCapability.type: live message not_resumable
CREATE TABLE orchestration_v2_projection_runtime_requests (
  runtime_request_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, node_id TEXT NOT NULL, provider_turn_id TEXT,
  kind TEXT NOT NULL, status TEXT NOT NULL, created_at TEXT NOT NULL, resolved_at TEXT, payload_json TEXT NOT NULL);
CREATE TABLE orchestration_v2_projection_messages (
  message_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, run_id TEXT, node_id TEXT, role TEXT NOT NULL,
  streaming INTEGER NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, payload_json TEXT NOT NULL);
-- status: idle pending running waiting | completed failed cancelled interrupted
CREATE TABLE orchestration_v2_projection_turn_items (
  turn_item_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, run_id TEXT, node_id TEXT, provider_thread_id TEXT,
  provider_turn_id TEXT, parent_item_id TEXT, ordinal INTEGER NOT NULL, type TEXT NOT NULL, status TEXT NOT NULL,
  updated_at TEXT NOT NULL, payload_json TEXT NOT NULL);
CREATE TABLE orchestration_v2_turn_item_positions (
  thread_id TEXT NOT NULL, turn_item_id TEXT NOT NULL, ordinal INTEGER NOT NULL,
  PRIMARY KEY (thread_id, turn_item_id), UNIQUE (thread_id, ordinal));
CREATE TABLE orchestration_v2_projection_plans (
  plan_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, run_id TEXT, node_id TEXT NOT NULL, kind TEXT NOT NULL,
  status TEXT NOT NULL, payload_json TEXT NOT NULL);
CREATE TABLE orchestration_v2_projection_checkpoints (
  checkpoint_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, scope_id TEXT NOT NULL, run_id TEXT, node_id TEXT NOT NULL,
  parent_checkpoint_id TEXT, ordinal_within_scope INTEGER NOT NULL, app_run_ordinal INTEGER, status TEXT NOT NULL,
  captured_at TEXT NOT NULL, payload_json TEXT NOT NULL);
-- status: pending running | succeeded failed cancelled
CREATE TABLE orchestration_v2_effect_outbox (
  effect_id TEXT PRIMARY KEY, command_id TEXT NOT NULL, thread_id TEXT NOT NULL, effect_type TEXT NOT NULL,
  payload_json TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending','running','succeeded','failed','cancelled')),
  attempt_count INTEGER NOT NULL DEFAULT 0, available_at TEXT NOT NULL, lease_owner TEXT, lease_expires_at TEXT,
  created_at TEXT NOT NULL, updated_at TEXT NOT NULL, completed_at TEXT, last_error TEXT);
-- effect types requeued at a start: provider-runtime.continue provider-session.detach provider-thread.rollback
--   checkpoint.capture terminal.cleanup attachment.cleanup thread-title.generate
-- cancelled at a start: provider-turn.start .interrupt .steer .restart, runtime-request.respond
CREATE TABLE orchestration_v2_thread_launch_workflows (
  command_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, project_id TEXT NOT NULL, status TEXT NOT NULL, title TEXT NOT NULL,
  worktree_path TEXT, branch TEXT, setup_committed INTEGER NOT NULL DEFAULT 0, thread_committed INTEGER NOT NULL DEFAULT 0,
  message_committed INTEGER NOT NULL DEFAULT 0, last_error TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE scheduled_tasks (
  task_id TEXT PRIMARY KEY, title TEXT NOT NULL, prompt TEXT NOT NULL, enabled INTEGER NOT NULL, schedule_json TEXT NOT NULL,
  project_id TEXT NOT NULL, thread_id TEXT, workspace_strategy_json TEXT NOT NULL, model_selection_json TEXT NOT NULL,
  runtime_mode TEXT NOT NULL, interaction_mode TEXT NOT NULL, created_by TEXT NOT NULL, creation_source TEXT NOT NULL,
  created_at TEXT NOT NULL, updated_at TEXT NOT NULL, next_run_at TEXT, last_run_at TEXT, last_run_status TEXT NOT NULL,
  last_run_error TEXT, run_count INTEGER NOT NULL,
  webhook_token TEXT, webhook_secret TEXT);                        -- the two added by 57
CREATE TABLE scheduled_task_webhook_deliveries (                   -- 57; newest 50 per task are kept
  delivery_id TEXT PRIMARY KEY, task_id TEXT NOT NULL, received_at TEXT NOT NULL, method TEXT NOT NULL, query TEXT NOT NULL,
  headers_json TEXT NOT NULL, body TEXT NOT NULL, body_bytes INTEGER NOT NULL, body_truncated INTEGER NOT NULL,
  outcome TEXT NOT NULL, signature_verified INTEGER NOT NULL, missing_fields_json TEXT NOT NULL, rendered_prompt TEXT, error TEXT);
CREATE TABLE scheduled_task_webhook_relay_deliveries (             -- 58
  relay_delivery_id TEXT PRIMARY KEY, task_id TEXT NOT NULL, seen_at TEXT NOT NULL);
CREATE TABLE mcp_app_model_context (                               -- 59
  thread_id TEXT NOT NULL, item_id TEXT NOT NULL, server TEXT NOT NULL, tool TEXT NOT NULL, text TEXT NOT NULL,
  updated_at TEXT NOT NULL, PRIMARY KEY (thread_id, item_id));
-- Also made by 55, columns not copied here: orchestration_v2_projection_subagents (node id, status idle pending running waiting |
-- completed failed cancelled interrupted), _provider_session_bindings, _checkpoint_scopes, _context_handoffs, _context_transfers.
-- Kept from V1 unchanged: projection_*, checkpoint_diff_blobs, provider_session_runtime, auth_sessions, auth_pairing_links.

-- ledger rows as (id, name) on a database migrated to 60
INSERT INTO effect_sql_migrations (migration_id, name) VALUES
(1,'OrchestrationEvents'),
(2,'OrchestrationCommandReceipts'),
(3,'CheckpointDiffBlobs'),
(4,'ProviderSessionRuntime'),
(5,'Projections'),
(6,'ProjectionThreadSessionRuntimeModeColumns'),
(7,'ProjectionThreadMessageAttachments'),
(8,'ProjectionThreadActivitySequence'),
(9,'ProviderSessionRuntimeMode'),
(10,'ProjectionThreadsRuntimeMode'),
(11,'OrchestrationThreadCreatedRuntimeMode'),
(12,'ProjectionThreadsInteractionMode'),
(13,'ProjectionThreadProposedPlans'),
(14,'ProjectionThreadProposedPlanImplementation'),
(15,'ProjectionTurnsSourceProposedPlan'),
(16,'CanonicalizeModelSelections'),
(17,'ProjectionThreadsArchivedAt'),
(18,'ProjectionThreadsArchivedAtIndex'),
(19,'ProjectionSnapshotLookupIndexes'),
(20,'AuthAccessManagement'),
(21,'AuthSessionClientMetadata'),
(22,'AuthSessionLastConnectedAt'),
(23,'ProjectionThreadShellSummary'),
(24,'BackfillProjectionThreadShellSummary'),
(25,'CleanupInvalidProjectionPendingApprovals'),
(26,'CanonicalizeModelSelectionOptions'),
(27,'ProviderSessionRuntimeInstanceId'),
(28,'ProjectionThreadSessionInstanceId'),
(29,'ProjectionThreadDetailOrderingIndexes'),
(30,'ProjectionThreadShellArchiveIndexes'),
(31,'AuthAuthorizationScopes'),
(32,'AuthPairingProofKeyThumbprint'),
(33,'ProjectionThreadsSettled'),
(34,'ProjectionThreadsSnoozed'),
(35,'ProjectionThreadTitleRegeneration'),
(36,'ProjectionThreadsPinned'),
(37,'ProjectionTurnsKeysetIndex'),
(38,'ProjectionThreadsPinOrderKey'),
(39,'ProjectionProjectsDefaultThreadEnvMode'),
(40,'ProjectionProjectFaviconPath'),
(41,'AuthSessionClientConnection'),
(42,'ProjectionThreadLinkedPullRequest'),
(43,'ProjectionThreadsUnsettledAt'),
(44,'ClearAutomaticProjectModelDefaults'),
(45,'ProjectionProjectsAutoPull'),
(46,'RepairAutomaticSettlementTimestamps'),
(47,'ProjectionProjectIcon'),
(48,'ProjectionThreadBranchPullRequest'),
(49,'ProjectionThreadsActiveOrderKey'),
(50,'ProjectionThreadPullRequests'),
(51,'ProjectionThreadMessageContext'),
(52,'ProjectionThreadTitleState'),
(53,'PullRequestFilesViewed'),
(54,'ProjectionThreadsAutoSettleDisabledAt'),
(55,'OrchestrationV2'),
(56,'RemoveRedundantProjectionIndexes'),
(57,'ScheduledTaskWebhooks'),
(58,'WebhookRelayDeliveries'),
(59,'McpAppModelContext'),
(60,'ThreadSnapshotWindowIndexes');
