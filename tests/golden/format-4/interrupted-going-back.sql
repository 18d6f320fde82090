BEGIN TRANSACTION;
CREATE TABLE ends (command TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT;
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
INSERT INTO "events" VALUES(1,'r001','Opened','{"plan":{"run":"r001","kind":"run","candidate":"0.0.28-nightly.20260615.567","base":"0.0.28-nightly.20260614.560","moves":[{"person":"ann","old":"0.0.28-nightly.20260614.560","new":"0.0.28-nightly.20260615.567","restore":"","knows":null},{"person":"bob","old":"0.0.28-nightly.20260614.560","new":"0.0.28-nightly.20260615.567","restore":"","knows":null}],"bake":600.0,"attempts_max":3,"on_person_failure":"refuse","force":false,"staying":[],"everybody":["ann","bob"],"baking":[],"ring":""},"at":"2026-06-16T03:00:01+00:00","type":"Opened"}');
INSERT INTO "events" VALUES(2,'r001','Started','{"seq":1,"effect":{"build":"0.0.28-nightly.20260615.567","ring":"","type":"Stage"},"at":"2026-06-16T03:00:01+00:00","type":"Started"}');
INSERT INTO "events" VALUES(3,'r001','Finished','{"seq":1,"answer":{"lock":"afd92a0d8d1bdedfdefb1fe63cc27867351bb4b1eda0bed0ff5f3a7184db6a65","platform":"linux-x86_64-glibc-node24","type":"Staged"},"at":"2026-06-16T03:00:21.002000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(4,'r001','Started','{"seq":2,"effect":{"person":"ann","snapshot":"r001.0002","type":"SnapshotOnline"},"at":"2026-06-16T03:00:21.002000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(5,'r001','Finished','{"seq":2,"answer":{"snapshot":"r001.0002","ledger":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"}]}]]},"size":45056,"migrated_by":"","type":"Snapshotted"},"at":"2026-06-16T03:00:21.505000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(6,'r001','Started','{"seq":3,"effect":{"person":"bob","snapshot":"r001.0003","type":"SnapshotOnline"},"at":"2026-06-16T03:00:21.505000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(7,'r001','Finished','{"seq":3,"answer":{"snapshot":"r001.0003","ledger":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"}]}]]},"size":61440,"migrated_by":"","type":"Snapshotted"},"at":"2026-06-16T03:00:22.008000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(8,'r001','Started','{"seq":4,"effect":{"build":"0.0.28-nightly.20260615.567","subjects":[{"person":"","snapshot":""},{"person":"ann","snapshot":"r001.0002"},{"person":"bob","snapshot":"r001.0003"}],"type":"Rehearse"},"at":"2026-06-16T03:00:22.008000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(9,'r001','Finished','{"seq":4,"answer":{"rehearsals":[{"subject":"","build":"0.0.28-nightly.20260615.567","checks":[{"check":"identity","passed":true,"reason":"","notes":[]},{"check":"live","passed":true,"reason":"","notes":[]},{"check":"migrated","passed":true,"reason":"","notes":[]},{"check":"preserved","passed":true,"reason":"","notes":[]},{"check":"paired","passed":true,"reason":"","notes":[]},{"check":"contract","passed":true,"reason":"","notes":[]},{"check":"reopened","passed":true,"reason":"","notes":[]},{"check":"soak","passed":true,"reason":"","notes":[]}],"schema":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"},{"id":31,"name":"AuthAuthorizationScopes"},{"id":32,"name":"Step32"}]}]]},"evidence":"","seconds":0.0},{"subject":"ann","build":"0.0.28-nightly.20260615.567","checks":[{"check":"identity","passed":true,"reason":"","notes":[]},{"check":"live","passed":true,"reason":"","notes":[]},{"check":"migrated","passed":true,"reason":"","notes":[]},{"check":"preserved","passed":true,"reason":"","notes":[]},{"check":"paired","passed":true,"reason":"","notes":[]},{"check":"contract","passed":true,"reason":"","notes":[]},{"check":"reopened","passed":true,"reason":"","notes":[]},{"check":"soak","passed":true,"reason":"","notes":[]}],"schema":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"},{"id":31,"name":"AuthAuthorizationScopes"},{"id":32,"name":"Step32"}]}]]},"evidence":"","seconds":0.0},{"subject":"bob","build":"0.0.28-nightly.20260615.567","checks":[{"check":"identity","passed":true,"reason":"","notes":[]},{"check":"live","passed":true,"reason":"","notes":[]},{"check":"migrated","passed":true,"reason":"","notes":[]},{"check":"preserved","passed":true,"reason":"","notes":[]},{"check":"paired","passed":true,"reason":"","notes":[]},{"check":"contract","passed":true,"reason":"","notes":[]},{"check":"reopened","passed":true,"reason":"","notes":[]},{"check":"soak","passed":true,"reason":"","notes":[]}],"schema":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"},{"id":31,"name":"AuthAuthorizationScopes"},{"id":32,"name":"Step32"}]}]]},"evidence":"","seconds":0.0}],"type":"Rehearsed"},"at":"2026-06-16T03:00:52.008000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(10,'r001','Started','{"seq":5,"effect":{"verdict":{"build":"0.0.28-nightly.20260615.567","ruling":"passed","reasons":[],"held_back":[],"in_production":false},"type":"RecordVerdict"},"at":"2026-06-16T03:00:52.008000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(11,'r001','Finished','{"seq":5,"answer":{"type":"Done"},"at":"2026-06-16T03:00:52.108000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(12,'r001','Started','{"seq":6,"effect":{"person":"ann","certain":false,"type":"Assess"},"at":"2026-06-16T03:00:52.108000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(13,'r001','Finished','{"seq":6,"answer":{"readiness":"idle","reason":"","type":"Assessed"},"at":"2026-06-16T03:00:52.208000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(14,'r001','Started','{"seq":7,"effect":{"person":"ann","build":"0.0.28-nightly.20260614.560","type":"Verify"},"at":"2026-06-16T03:00:52.208000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(15,'r001','Finished','{"seq":7,"answer":{"via":"dispatch","seconds":0.0,"type":"Paired"},"at":"2026-06-16T03:00:54.208000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(16,'r001','Started','{"seq":8,"effect":{"person":"ann","certain":false,"type":"Assess"},"at":"2026-06-16T03:00:54.208000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(17,'r001','Finished','{"seq":8,"answer":{"readiness":"idle","reason":"","type":"Assessed"},"at":"2026-06-16T03:00:54.308000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(18,'r001','Started','{"seq":9,"effect":{"person":"ann","type":"Fence"},"at":"2026-06-16T03:00:54.308000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(19,'r001','Finished','{"seq":9,"answer":{"type":"Done"},"at":"2026-06-16T03:00:54.409000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(20,'r001','Started','{"seq":10,"effect":{"person":"ann","type":"Stop"},"at":"2026-06-16T03:00:54.409000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(21,'r001','Finished','{"seq":10,"answer":{"type":"Done"},"at":"2026-06-16T03:00:55.011000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(22,'r001','Started','{"seq":11,"effect":{"person":"ann","snapshot":"r001.0011","build":"0.0.28-nightly.20260614.560","giving_up":false,"type":"SnapshotAtRest"},"at":"2026-06-16T03:00:55.011000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(23,'r001','Finished','{"seq":11,"answer":{"snapshot":"r001.0011","ledger":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"}]}]]},"size":102400,"migrated_by":"","type":"Snapshotted"},"at":"2026-06-16T03:00:55.514000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(24,'r001','Started','{"seq":12,"effect":{"person":"ann","build":"0.0.28-nightly.20260615.567","type":"Select"},"at":"2026-06-16T03:00:55.514000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(25,'r001','Finished','{"seq":12,"answer":{"type":"Done"},"at":"2026-06-16T03:00:55.615000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(26,'r001','Started','{"seq":13,"effect":{"person":"ann","type":"Start"},"at":"2026-06-16T03:00:55.615000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(27,'r001','Finished','{"seq":13,"answer":{"type":"Done"},"at":"2026-06-16T03:00:57.116000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(28,'r001','Started','{"seq":14,"effect":{"person":"ann","build":"0.0.28-nightly.20260615.567","type":"Verify"},"at":"2026-06-16T03:00:57.116000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(29,'r001','Finished','{"seq":14,"answer":{"fault":"build","reason":"the serve of 0.0.28-nightly.20260615.567 answers the exchange with 500","type":"NotPaired"},"at":"2026-06-16T03:00:59.116000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(30,'r001','Started','{"seq":15,"effect":{"person":"ann","type":"Fence"},"at":"2026-06-16T03:00:59.116000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(31,'r001','Finished','{"seq":15,"answer":{"type":"Done"},"at":"2026-06-16T03:00:59.217000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(32,'r001','Started','{"seq":16,"effect":{"person":"ann","type":"Stop"},"at":"2026-06-16T03:00:59.217000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(33,'r001','Finished','{"seq":16,"answer":{"type":"Done"},"at":"2026-06-16T03:00:59.819000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(34,'r001','Started','{"seq":17,"effect":{"person":"ann","snapshot":"r001.0017","build":"0.0.28-nightly.20260615.567","since":"r001.0011","type":"Quarantine"},"at":"2026-06-16T03:00:59.819000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(35,'r001','Finished','{"seq":17,"answer":{"snapshot":"r001.0017","rows":[{"table":"state.sqlite:orchestration_events","rows":2},{"table":"state.sqlite:projection_turns","rows":3}],"uncounted":"","type":"Quarantined"},"at":"2026-06-16T03:01:00.322000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(36,'r001','Started','{"seq":18,"effect":{"person":"ann","snapshot":"r001.0011","type":"Restore"},"at":"2026-06-16T03:01:00.322000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(37,'r001','Resumed','{"at":"2026-06-16T03:01:00.322000+00:00","type":"Resumed"}');
INSERT INTO "events" VALUES(38,'r001','Started','{"seq":19,"effect":{"person":"ann","type":"Inspect"},"at":"2026-06-16T03:01:00.322000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(39,'r001','Finished','{"seq":19,"answer":{"selected":null,"running":false,"ledger":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"},{"id":31,"name":"AuthAuthorizationScopes"},{"id":32,"name":"Step32"}]}]]},"restoring":false,"type":"Inspected"},"at":"2026-06-16T03:01:00.422000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(40,'r001','Started','{"seq":20,"effect":{"person":"ann","certain":true,"type":"Assess"},"at":"2026-06-16T03:01:00.422000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(41,'r001','Finished','{"seq":20,"answer":{"readiness":"not-running","reason":"the serve is not running","type":"Assessed"},"at":"2026-06-16T03:01:00.522000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(42,'r001','Started','{"seq":21,"effect":{"person":"ann","type":"Fence"},"at":"2026-06-16T03:01:00.522000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(43,'r001','Finished','{"seq":21,"answer":{"type":"Done"},"at":"2026-06-16T03:01:00.623000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(44,'r001','Started','{"seq":22,"effect":{"person":"ann","type":"Stop"},"at":"2026-06-16T03:01:00.623000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(45,'r001','Finished','{"seq":22,"answer":{"type":"Done"},"at":"2026-06-16T03:01:01.225000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(46,'r001','Started','{"seq":23,"effect":{"person":"ann","snapshot":"r001.0011","type":"Restore"},"at":"2026-06-16T03:01:01.225000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(47,'r001','Finished','{"seq":23,"answer":{"type":"Done"},"at":"2026-06-16T03:01:02.230000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(48,'r001','Started','{"seq":24,"effect":{"person":"ann","build":"0.0.28-nightly.20260614.560","type":"Select"},"at":"2026-06-16T03:01:02.230000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(49,'r001','Finished','{"seq":24,"answer":{"type":"Done"},"at":"2026-06-16T03:01:02.331000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(50,'r001','Started','{"seq":25,"effect":{"person":"ann","type":"Start"},"at":"2026-06-16T03:01:02.331000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(51,'r001','Finished','{"seq":25,"answer":{"type":"Done"},"at":"2026-06-16T03:01:03.832000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(52,'r001','Started','{"seq":26,"effect":{"person":"ann","build":"0.0.28-nightly.20260614.560","type":"Verify"},"at":"2026-06-16T03:01:03.832000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(53,'r001','Finished','{"seq":26,"answer":{"via":"dispatch","seconds":0.0,"type":"Paired"},"at":"2026-06-16T03:01:05.832000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(54,'r001','Started','{"seq":27,"effect":{"verdict":{"build":"0.0.28-nightly.20260615.567","ruling":"refused","reasons":["in production, ann: the serve of 0.0.28-nightly.20260615.567 answers the exchange with 500"],"held_back":[],"in_production":true},"type":"RecordVerdict"},"at":"2026-06-16T03:01:05.832000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(55,'r001','Finished','{"seq":27,"answer":{"type":"Done"},"at":"2026-06-16T03:01:05.932000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(56,'r001','Started','{"seq":28,"effect":{"reason":"0.0.28-nightly.20260615.567 failed in production: ann: the serve of 0.0.28-nightly.20260615.567 answers the exchange with 500","type":"Freeze"},"at":"2026-06-16T03:01:05.932000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(57,'r001','Finished','{"seq":28,"answer":{"type":"Done"},"at":"2026-06-16T03:01:06.033000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(58,'r001','Started','{"seq":29,"effect":{"people":["ann","bob"],"pinned":["r001.0011","r001.0017"],"type":"Prune"},"at":"2026-06-16T03:01:06.033000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(59,'r001','Finished','{"seq":29,"answer":{"type":"Done"},"at":"2026-06-16T03:01:06.033000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(60,'r001','Closed','{"ended":{"outcome":"rolled-back","reason":"ann: the serve of 0.0.28-nightly.20260615.567 answers the exchange with 500"},"at":"2026-06-16T03:01:06.033000+00:00","type":"Closed"}');
CREATE TABLE moves (
    number INTEGER NOT NULL REFERENCES runs,
    place INTEGER NOT NULL,
    person TEXT NOT NULL,
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    ran TEXT,
    used TEXT NOT NULL,
    put TEXT,
    put_at TEXT,
    PRIMARY KEY (number, place)
) STRICT;
INSERT INTO "moves" VALUES(1,0,'ann','0.0.28-nightly.20260614.560','0.0.28-nightly.20260615.567','rolled-back','the serve of 0.0.28-nightly.20260615.567 answers the exchange with 500','0.0.28-nightly.20260615.567','["r001.0011", "r001.0017"]','0.0.28-nightly.20260614.560','2026-06-16T03:01:02.331000+00:00');
INSERT INTO "moves" VALUES(1,1,'bob','0.0.28-nightly.20260614.560','0.0.28-nightly.20260615.567','waiting','','0.0.28-nightly.20260614.560','[]',NULL,NULL);
CREATE TABLE notified (
    destination TEXT NOT NULL, cause TEXT NOT NULL, about TEXT NOT NULL, mark TEXT NOT NULL
) STRICT;
CREATE TABLE offer (
    only INTEGER PRIMARY KEY CHECK (only = 1), newest TEXT NOT NULL, at TEXT NOT NULL
) STRICT;
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    candidate TEXT NOT NULL,
    opened TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    closed TEXT NOT NULL,
    baking TEXT NOT NULL
) STRICT;
INSERT INTO "runs" VALUES(1,'r001','run','0.0.28-nightly.20260615.567','2026-06-16T03:00:01+00:00','rolled-back','ann: the serve of 0.0.28-nightly.20260615.567 answers the exchange with 500','2026-06-16T03:01:06.033000+00:00','[]');
CREATE TABLE verdicts (
    version TEXT PRIMARY KEY,
    ruling TEXT NOT NULL,
    reasons TEXT NOT NULL,
    in_production INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
INSERT INTO "verdicts" VALUES('0.0.28-nightly.20260615.567','refused','["in production, ann: the serve of 0.0.28-nightly.20260615.567 answers the exchange with 500"]',1,'gate-1/afd92a0d8d1bdedfdefb1fe63cc27867351bb4b1eda0bed0ff5f3a7184db6a65/linux-x86_64-glibc-node24','2026-06-16T03:01:06.033000+00:00');
CREATE TABLE written_by (t3safe TEXT NOT NULL) STRICT;
INSERT INTO "written_by" VALUES('0.1.0');
CREATE INDEX events_by_run ON events (run, number);
CREATE INDEX events_by_kind ON events (kind, number);
CREATE INDEX moves_by_person ON moves (person, number);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',60);
COMMIT;
