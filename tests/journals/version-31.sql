-- {"jobs": {"20261130-SANDBOX-r6zb": {"state": "finished", "statuses": {"not_found": 2, "removed": 58}}, "20261130-SANDBOX-nxya": {"state": "paused", "statuses": {"duplicate": 2, "invalid": 7, "not_sent": 7, "removed": 2}}}, "mark": {"changes": 69, "ids": ["34fa5842928761b6"], "rows": {"20261130-SANDBOX-r6zb": 59, "20261130-SANDBOX-nxya": 1}, "ledgers": ["sandboxx60|", "sandboxx1|"], "deleted_until": 0.0}}
BEGIN TRANSACTION;
CREATE TABLE attempt (
    job         TEXT NOT NULL,
    position    INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    ledger      TEXT NOT NULL,
    sent_at     REAL NOT NULL,
    sent_mono   REAL NOT NULL,
    boot        TEXT NOT NULL,
    answered_at REAL,
    response_kind     TEXT,                         -- NULL: no answer was ever read, so the attempt is open
    http_status INTEGER,
    api_code    TEXT,
    text        TEXT NOT NULL DEFAULT '',
    learner     TEXT,                         -- the learner that a success named
    PRIMARY KEY (job, position, number),
    FOREIGN KEY (job, position) REFERENCES row (job, position)
) STRICT, WITHOUT ROWID;
INSERT INTO "attempt" VALUES('20261130-SANDBOX-nxya',0,1,'sandboxx1|',1796032819.87972,3276.789033798,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603281990793371206e+09,'removed',200,'200','success','478346000019558010');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-nxya',1,1,'sandboxx1|',1.796032822015100956e+09,3278.924414797,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603282223505306245e+09,'removed',200,'200','success','478346000019558017');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',0,1,'sandboxx60|',1.79603279366620254518e+09,195034.53115626,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279368950819968e+09,'removed',200,'200','success','478346000019558010');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',1,1,'sandboxx60|',1.79603279370316576955e+09,195036.74895138,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279372704315182e+09,'removed',200,'200','success','478346000019558017');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',2,1,'sandboxx60|',1.79603279374705791467e+09,195039.38238294,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.7960327937618370056e+09,'removed',200,'200','success','478346000019558024');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',3,1,'sandboxx60|',1.796032793784566164e+09,195041.63285874,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279381105589867e+09,'removed',200,'200','success','478346000019558031');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',4,1,'sandboxx60|',1.7960327951594104767e+09,195124.1236323,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279518051195144e+09,'removed',200,'200','success','478346000019558038');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',5,1,'sandboxx60|',1.79603279519915819172e+09,195126.5084403,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279520542955397e+09,'removed',200,'200','success','478346000019558045');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',6,1,'sandboxx60|',1.7960327948672919273e+09,195106.59656352,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279492232704162e+09,'removed',200,'200','success','478346000019558052');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',7,1,'sandboxx60|',1.79603279492214751248e+09,195109.88793732,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279495876765256e+09,'removed',200,'200','success','478346000019558059');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',8,1,'sandboxx60|',1.796032795235490799e+09,195128.68845738,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279524434661859e+09,'removed',200,'200','success','478346000019558066');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',9,1,'sandboxx60|',1.79603279527167081835e+09,195130.85923938,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279529655838011e+09,'removed',200,'200','success','478346000019558073');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',10,1,'sandboxx60|',1.79603279563136625294e+09,195152.4408129,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279574326610561e+09,'removed',200,'200','success','478346000019558080');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',11,1,'sandboxx60|',1.79603279574304199213e+09,195159.14135766,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279578683185579e+09,'removed',200,'200','success','478346000019558087');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',12,1,'sandboxx60|',1.79603279579501056676e+09,1.95162259703039977463e+05,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279583931207657e+09,'removed',200,'200','success','478346000019558094');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',13,1,'sandboxx60|',1796032795.84695,195165.37605462,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279585737538341e+09,'removed',200,'200','success','478346000019558101');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',14,1,'sandboxx60|',1.79603279588287210468e+09,195167.53129692,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279588813471794e+09,'removed',200,'200','success','478346000019558108');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',15,1,'sandboxx60|',1.79603279591908335686e+09,195169.70395134,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279592559051509e+09,'removed',200,'200','success','478346000019558115');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',16,1,'sandboxx60|',1.79603279595523834225e+09,195171.8731728,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279596605563159e+09,'not_found',404,'404','Not found',NULL);
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',17,1,'sandboxx60|',1.7960327960195734501e+09,1.95175733318939979661e+05,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279604741239549e+09,'removed',200,'200','success','478346000019558129');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',18,1,'sandboxx60|',1.79603279606120538706e+09,195178.2312138,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.7960327961125464439e+09,'removed',200,'200','success','478346000019558136');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',19,1,'sandboxx60|',1.79603279611233377461e+09,195181.2988824,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279640703368189e+09,'removed',200,'200','success','478346000019558143');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',20,1,'sandboxx60|',1.79603279618848228451e+09,1.95185868009240017281e+05,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279645140695569e+09,'removed',200,'200','success','478346000019558150');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',21,1,'sandboxx60|',1796032796.4668,195202.56684954,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279670201826097e+09,'removed',200,'200','success','478346000019558157');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',22,1,'sandboxx60|',1.796032796660761118e+09,195214.20473802,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279670423388479e+09,'removed',200,'200','success','478346000019558164');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',23,1,'sandboxx60|',1.79603279669736790652e+09,195216.40105668,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279670434379583e+09,'removed',200,'200','success','478346000019558171');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',24,1,'sandboxx60|',1.79603279674783420562e+09,195219.42889998,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279681034851068e+09,'removed',200,'200','success','478346000019558178');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',25,1,'sandboxx60|',1.79603279681014418606e+09,1.95223167609659984007e+05,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279702168154713e+09,'removed',200,'200','success','478346000019558185');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',26,1,'sandboxx60|',1.79603279688742923734e+09,195227.80482444,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279702179861074e+09,'removed',200,'200','success','478346000019558192');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',27,1,'sandboxx60|',1.79603279702143454549e+09,195235.84492788,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.7960327973553090095e+09,'removed',200,'200','success','478346000019558199');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',28,1,'sandboxx60|',1.79603279735505580905e+09,195255.8623395,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279776367926595e+09,'removed',200,'200','success','478346000019558206');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',29,1,'sandboxx60|',1.79603279804331207279e+09,195297.15771618,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279809813880926e+09,'removed',200,'200','success','478346000019558213');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',30,1,'sandboxx60|',1.79603279782314705853e+09,195283.94762592,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279787527465817e+09,'removed',200,'200','success','478346000019558220');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',31,1,'sandboxx60|',1.79603279787505578993e+09,195287.06219976,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279793541193007e+09,'removed',200,'200','success','478346000019558227');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',32,1,'sandboxx60|',1.79603279800384688373e+09,195294.78986472,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279806371569633e+09,'removed',200,'200','success','478346000019558234');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',33,1,'sandboxx60|',1.7960327980872790813e+09,195299.79560424,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.7960327981089854241e+09,'removed',200,'200','success','478346000019558241');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',34,1,'sandboxx60|',1.79603279813162922855e+09,195302.45676036,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279816257262232e+09,'removed',200,'200','success','478346000019558248');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',35,1,'sandboxx60|',1.79603279818305850033e+09,195305.54245746,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1796032798.21293,'removed',200,'200','success','478346000019558255');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',36,1,'sandboxx60|',1.79603279824614024164e+09,195309.3273144,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279834729838374e+09,'removed',200,'200','success','478346000019558262');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',37,1,'sandboxx60|',1.79603279840827751161e+09,1.9531905567066001823e+05,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279849142289164e+09,'removed',200,'200','success','478346000019558269');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',38,1,'sandboxx60|',1.79603279846322464938e+09,195322.35239052,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279852356553076e+09,'removed',200,'200','success','478346000019558276');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',39,1,'sandboxx60|',1.79603279851105380061e+09,195325.22208984,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279874750638013e+09,'removed',200,'200','success','478346000019558283');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',40,1,'sandboxx60|',1.79603279860310602192e+09,195330.745218,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279879933261874e+09,'not_found',404,'404','Not found',NULL);
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',41,1,'sandboxx60|',1.79603279878306937213e+09,195341.54304798,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279880430960653e+09,'removed',200,'200','success','478346000019558297');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',42,1,'sandboxx60|',1.79603279882561159136e+09,1.95344095742580015212e+05,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279888431024546e+09,'removed',200,'200','success','478346000019558304');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',43,1,'sandboxx60|',1.7960327988613979817e+09,195346.24290294,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279888606691362e+09,'removed',200,'200','success','478346000019558311');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',44,1,'sandboxx60|',1.79603279890538954739e+09,195348.88232958,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279890846967694e+09,'removed',200,'200','success','478346000019558318');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',45,1,'sandboxx60|',1.7960327989412243366e+09,1.95351032428919977974e+05,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279895011615748e+09,'removed',200,'200','success','478346000019558325');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',46,1,'sandboxx60|',1.79603279897721052169e+09,1.95353191609440022145e+05,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279898197650907e+09,'removed',200,'200','success','478346000019558332');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',47,1,'sandboxx60|',1.79603279901496982575e+09,1.95355457134559983393e+05,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279905249261852e+09,'removed',200,'200','success','478346000019558339');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',48,1,'sandboxx60|',1.79603279905231690404e+09,195357.69809286,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279906812906261e+09,'removed',200,'200','success','478346000019558346');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',49,1,'sandboxx60|',1.79603279909530210494e+09,195360.27711372,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279909845256804e+09,'removed',200,'200','success','478346000019558353');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',50,1,'sandboxx60|',1.79603279913100481032e+09,195362.41923798,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279913422560687e+09,'removed',200,'200','success','478346000019558360');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',51,1,'sandboxx60|',1796032799.17929,195365.3162685,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279918713021282e+09,'removed',200,'200','success','478346000019558367');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',52,1,'sandboxx60|',1796032799.22364,195367.97728698,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279922920584677e+09,'removed',200,'200','success','478346000019558374');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',53,1,'sandboxx60|',1.79603279926711916925e+09,195370.58603154,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279928361678121e+09,'removed',200,'200','success','478346000019558381');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',54,1,'sandboxx60|',1.7960327993030614853e+09,195372.74257956,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279934027147291e+09,'removed',200,'200','success','478346000019558388');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',55,1,'sandboxx60|',1.79603279934837222094e+09,1.9537546131545997923e+05,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279938310551639e+09,'removed',200,'200','success','478346000019558395');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',56,1,'sandboxx60|',1.79603279939288306235e+09,1.95378132001679972748e+05,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279942237567903e+09,'removed',200,'200','success','478346000019558402');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',57,1,'sandboxx60|',1.79603279943916773796e+09,195380.90899938,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279946301364901e+09,'removed',200,'200','success','478346000019558409');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',58,1,'sandboxx60|',1.79603279948320198062e+09,195383.55104832,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279950865960118e+09,'removed',200,'200','success','478346000019558416');
INSERT INTO "attempt" VALUES('20261130-SANDBOX-r6zb',59,1,'sandboxx60|',1.79603279952716040615e+09,1.95386188539479975587e+05,'7ae894c5-58e7-41e1-ba69-8271ecef268d',1.79603279955489850043e+09,'removed',200,'200','success','478346000019558423');
CREATE TABLE audit (
    id    INTEGER PRIMARY KEY,
    at    REAL NOT NULL,
    actor TEXT NOT NULL,
    act   TEXT NOT NULL,                      -- a stable word, such as confirmed
    facts TEXT NOT NULL,                      -- JSON object; names, numbers and hashes, never a cell of a file
    hash  TEXT NOT NULL
) STRICT;
INSERT INTO "audit" VALUES(1,1.79603279346610569949e+09,'root on this machine','confirmed','{"job": "20261130-SANDBOX-r6zb", "plan": "a7f309fb90fc21e0335be57f7a4c5315de46fdc4a0f9d15d43cc1a460ca33391", "removals": 60, "source": "leavers.csv"}','5a9d1397d6bf6ea03e871c099dadef65a6f0849437903674efc34b5ce97143ee');
INSERT INTO "audit" VALUES(2,1.79603279354712557793e+09,'root on this machine','run','{"job": "20261130-SANDBOX-r6zb"}','3a5c0f2232011d306b33308925b15aea48e037e374b75fd1309f820683f84071');
INSERT INTO "audit" VALUES(3,1.79603281822525238996e+09,'root on this machine','confirmed','{"job": "20261130-SANDBOX-nxya", "plan": "9a1574fe22eafadf34371b7748b0e84dd23b78119d39d4aeeff7b0e272c0265f", "removals": 9, "source": "mixed.csv"}','f332e78b853b55781b070e1819bc8ee37db595b44cfa028d9cd7fffa58516e93');
INSERT INTO "audit" VALUES(4,1.79603281941530966763e+09,'root on this machine','run','{"job": "20261130-SANDBOX-nxya"}','6f823924b74464fa354027d0413d354bfa21c2098113c26a16e2bc48a98135fc');
CREATE TABLE "canary" (
    client    TEXT NOT NULL,
    host      TEXT NOT NULL,
    operation TEXT NOT NULL,
    passed_at REAL NOT NULL,
    by        TEXT NOT NULL,
    job       TEXT NOT NULL,
    PRIMARY KEY (client, host, operation)
) STRICT;
CREATE TABLE claim (
    name    TEXT PRIMARY KEY,
    host    TEXT NOT NULL,
    pid     INTEGER NOT NULL,
    since   REAL NOT NULL
) STRICT;
CREATE TABLE client_organization (
    client       TEXT NOT NULL,
    host         TEXT NOT NULL,
    organization TEXT NOT NULL,               -- its name in lower case, as a person gave it last
    PRIMARY KEY (client, host)
) STRICT, WITHOUT ROWID;
INSERT INTO "client_organization" VALUES('45906d749329cdf5','sandbox','45906d749329cdf5');
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO "counter" VALUES('changes',69);
INSERT INTO "counter" VALUES('audit_entries',4);
CREATE TABLE event (
    id   INTEGER PRIMARY KEY,
    job  TEXT REFERENCES job (id),
    at   REAL NOT NULL,
    name TEXT NOT NULL,                       -- a stable word, such as locked
    text TEXT NOT NULL
) STRICT;
INSERT INTO "event" VALUES(1,'20261130-SANDBOX-r6zb',1.7960327936168410778e+09,'started','60 rows are to be sent.');
INSERT INTO "event" VALUES(2,'20261130-SANDBOX-r6zb',1.79603279955574727058e+09,'finished','Every row has its status.');
INSERT INTO "event" VALUES(3,'20261130-SANDBOX-r6zb',1.79603279961080837252e+09,'reported','The report is in /home/hr/lists/sample_data/20261130-SANDBOX-r6zb-report.csv.');
INSERT INTO "event" VALUES(4,'20261130-SANDBOX-nxya',1.79603281975153636937e+09,'started','9 rows are to be sent.');
INSERT INTO "event" VALUES(5,'20261130-SANDBOX-nxya',1.79603282422719383237e+09,'paused','Stopped by Ctrl-C.');
INSERT INTO "event" VALUES(6,'20261130-SANDBOX-nxya',1.79603282440845465656e+09,'reported','The report is in /home/hr/lists/sample_data/20261130-SANDBOX-nxya-report.csv.');
CREATE TABLE identity (
    id    TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('new', 'marked', 'restored'))  -- new: the mark does not name it yet
, generation TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "identity" VALUES('34fa5842928761b6','marked','');
CREATE TABLE "job" (
    id           TEXT PRIMARY KEY,
    account      TEXT NOT NULL,
    host         TEXT NOT NULL,
    source       TEXT NOT NULL,
    folder       TEXT NOT NULL,
    sheet        TEXT,
    header       TEXT NOT NULL,               -- JSON list of column names
    roles        TEXT NOT NULL,               -- JSON list: columns of course, batch, learner
    plan_hash    TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('storing', 'ready', 'running', 'paused', 'stopped', 'cancelled',
                                             'finished', 'held')),
    reason       TEXT NOT NULL DEFAULT '',
    reason_code  TEXT NOT NULL DEFAULT '',    -- a stable word for why the last run ended; the reason is for people
    created_at   REAL NOT NULL,
    finished_at  REAL,
    seconds      REAL NOT NULL DEFAULT 0,
    peak_calls INTEGER NOT NULL DEFAULT 0,
    lockouts     INTEGER NOT NULL DEFAULT 0,
    mismatched   INTEGER NOT NULL DEFAULT 0,
    retry_of     TEXT REFERENCES job (id),
    options      TEXT NOT NULL DEFAULT '{}',  -- JSON object of texts
    prepared_by  TEXT NOT NULL DEFAULT '',
    confirmed_by TEXT NOT NULL DEFAULT '',
    origin       TEXT NOT NULL DEFAULT 'person',
    due_at       REAL,
    auto_resumable      INTEGER NOT NULL DEFAULT 0,
    totals       TEXT                         -- JSON counts by status, once the rows were deleted
, operation TEXT NOT NULL DEFAULT 'remove learner from batch', driven_at REAL NOT NULL DEFAULT 0, driven_by TEXT NOT NULL DEFAULT 'command', client TEXT NOT NULL DEFAULT '', planned_at REAL NOT NULL DEFAULT 0, accepted_wordings TEXT NOT NULL DEFAULT '[]', night TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "job" VALUES('20261130-SANDBOX-r6zb','sandbox','sandbox','leavers.csv','/home/hr/lists/sample_data',NULL,'["Course ID", "Batch ID", "Learner ID", "Name", "E-mail", "Reason"]','[0, 1, 2]','a7f309fb90fc21e0335be57f7a4c5315de46fdc4a0f9d15d43cc1a460ca33391','finished','','',1.79603279346610569949e+09,1.79603279955574727058e+09,3.56335031640017405149e+02,20,0,0,NULL,'{"limit":"30/60s","calls":"30","protected":"0"}','root on this machine','root on this machine','command',NULL,0,NULL,'remove learner from batch',1.7960327990669498443e+09,'command','45906d749329cdf5',1.79603279064825582505e+09,'[]','');
INSERT INTO "job" VALUES('20261130-SANDBOX-nxya','sandbox','sandbox','mixed.csv','/home/hr/lists/sample_data',NULL,'["Course ID", "Batch ID", "Learner ID", "Name", "E-mail", "Reason"]','[0, 1, 2]','9a1574fe22eafadf34371b7748b0e84dd23b78119d39d4aeeff7b0e272c0265f','paused','Stopped by Ctrl-C.','interrupted',1.79603281822525238996e+09,1.79603282422719383237e+09,4.47567043200024272664e+00,2,0,0,NULL,'{"limit":"30/60s","calls":"30","protected":"0"}','root on this machine','root on this machine','command',NULL,0,NULL,'remove learner from batch',1.79603281973107719421e+09,'command','45906d749329cdf5',1.79603281541544651991e+09,'[]','');
CREATE TABLE leaver_memory (
    client     TEXT NOT NULL,
    host       TEXT NOT NULL,
    counted_at REAL NOT NULL,
    employees  INTEGER NOT NULL,              -- how many Zoho listed; fewer than most of them hold the next nightly run
    asked      TEXT NOT NULL DEFAULT '{}', most INTEGER NOT NULL DEFAULT 0, most_at REAL NOT NULL DEFAULT 0, uncounted INTEGER NOT NULL DEFAULT 0, tried TEXT NOT NULL DEFAULT '{}', listed TEXT NOT NULL DEFAULT '{}',    -- JSON object: when a leaver's courses were read, by record number
    PRIMARY KEY (client, host)
) STRICT, WITHOUT ROWID;
CREATE TABLE ledger (
    key           TEXT PRIMARY KEY,
    boot          TEXT NOT NULL,
    next_at_mono  REAL NOT NULL,
    burst         INTEGER NOT NULL,
    last_at_mono  REAL,
    individually_limited_row        TEXT,
    budget        INTEGER,
    budget_mono   REAL NOT NULL,
    suspension          TEXT                        -- JSON object of the wait in force, if any
) STRICT;
INSERT INTO "ledger" VALUES('sandboxx60|','7ae894c5-58e7-41e1-ba69-8271ecef268d',1.95388298539479961617e+05,0,1.95387852922200021569e+05,NULL,NULL,0.0,NULL);
INSERT INTO "ledger" VALUES('sandboxx1|','7ae894c5-58e7-41e1-ba69-8271ecef268d',3281.034414797,0,3279.144365296,NULL,NULL,0.0,NULL);
CREATE TABLE listing (
    client   TEXT NOT NULL,
    host     TEXT NOT NULL,
    name     TEXT NOT NULL,                   -- of the operation, with its ids and what was searched for, as JSON
    made_at  REAL NOT NULL,
    records  TEXT NOT NULL,                   -- JSON list
    PRIMARY KEY (client, host, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE "nightly_run" (
    id         INTEGER PRIMARY KEY,
    date       TEXT NOT NULL,                 -- local date it belongs to
    started_at REAL NOT NULL,
    ended_at   REAL,                          -- NULL: it runs, or was killed
    good       INTEGER NOT NULL DEFAULT 0     -- 1: it ended, and nothing was held, failed or left open
, sandbox TEXT NOT NULL DEFAULT '', end_code TEXT NOT NULL DEFAULT '', clock_skew REAL, night TEXT NOT NULL DEFAULT 'nightly') STRICT;
CREATE TABLE "note" (
    id       INTEGER PRIMARY KEY,
    job      TEXT NOT NULL,
    position INTEGER NOT NULL,
    at       REAL NOT NULL,
    author   TEXT NOT NULL,
    text     TEXT NOT NULL, result TEXT NOT NULL DEFAULT '',
    FOREIGN KEY (job, position) REFERENCES row (job, position)
) STRICT;
CREATE TABLE "notice" (
    key        TEXT NOT NULL,                 -- one a happening of a night, so that none is told twice
    night      TEXT NOT NULL,                 -- whose addresses it goes to
    at         REAL NOT NULL,
    subject    TEXT NOT NULL,
    body       TEXT NOT NULL,
    attachment TEXT,                          -- path of a report
    tries      INTEGER NOT NULL DEFAULT 0,
    next_at    REAL NOT NULL,
    sent_at    REAL, had TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (key, night)
) STRICT;
CREATE TABLE read (
    id            INTEGER PRIMARY KEY,
    ledger        TEXT NOT NULL,
    operation     TEXT NOT NULL,
    sent_at       REAL NOT NULL,
    sent_mono     REAL NOT NULL,
    boot          TEXT NOT NULL,
    response_kind TEXT,                       -- NULL: no answer was ever read
    http_status   INTEGER,
    api_code      TEXT
) STRICT;
CREATE TABLE restore (
    id       INTEGER PRIMARY KEY,
    at       REAL NOT NULL,
    removals INTEGER NOT NULL,                -- at most so many removals are not in the journal
    calls    INTEGER NOT NULL                 -- and so many calls
) STRICT;
CREATE TABLE "row" (
    job           TEXT NOT NULL REFERENCES job (id),
    position      INTEGER NOT NULL,           -- place in the file, from 0
    number        INTEGER NOT NULL,           -- as the spreadsheet shows it
    cells         TEXT NOT NULL,              -- JSON list, unchanged texts
    course        TEXT,
    batch         TEXT,
    learner       TEXT,                       -- of an enrolment: the employee's record number
    state         TEXT NOT NULL CHECK (state IN (
                      'pending', 'sending',
                      'removed', 'removed_inferred', 'not_found', 'refused', 'unknown', 'enrolled',
                      'duplicate', 'invalid', 'not_sent', 'done_before', 'not_enrolled', 'identity_mismatch',
                      'already_enrolled')),
    detail        TEXT NOT NULL DEFAULT '',
    http_status   INTEGER,
    api_code      TEXT,
    attempts      INTEGER NOT NULL DEFAULT 0,
    first_sent_at REAL,
    finished_at   REAL,
    person        TEXT,                       -- JSON object with the members of a listing.Learner; NULL: not known
    PRIMARY KEY (job, position),
    CHECK (state IN ('duplicate', 'invalid', 'done_before', 'not_sent', 'not_enrolled', 'identity_mismatch',
                     'already_enrolled')
        OR learner IS NOT NULL),
    CHECK (state NOT IN ('removed', 'removed_inferred', 'not_found', 'refused', 'enrolled', 'sending') OR attempts > 0),
    CHECK (state != 'not_sent' OR attempts = 0 OR first_sent_at IS NOT NULL)
) STRICT, WITHOUT ROWID;
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',0,2,'["478346000019501001", "478346000019502002", "478346000019558010", "Learner 1", "learner1@example.com", "moved to another site"]','478346000019501001','478346000019502002','478346000019558010','removed','Zoho confirmed the removal.',200,'200',1,1796032819.87972,1.79603281990793371206e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',1,3,'["478346000019501002", "478346000019502003", "478346000019558017", "Learner 2", "learner2@example.com", "enrolled by mistake"]','478346000019501002','478346000019502003','478346000019558017','removed','Zoho confirmed the removal.',200,'200',1,1.796032822015100956e+09,1.79603282223505306245e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',2,4,'["478346000019501003", "478346000019502004", "478346000019558024", "Learner 3", "learner3@example.com", "left the company"]','478346000019501003','478346000019502004','478346000019558024','pending','',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',3,5,'["478346000019501003", "478346000019502005", "478346000019558031", "Learner 4", "learner4@example.com", "moved to another site"]','478346000019501003','478346000019502005','478346000019558031','pending','',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',4,6,'["478346000019501001", "478346000019502001", "478346000019558038", "Learner 5", "learner5@example.com", "enrolled by mistake"]','478346000019501001','478346000019502001','478346000019558038','pending','',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',5,7,'["478346000019501001", "478346000019502002", "478346000019558045", "Learner 6", "learner6@example.com", "left the company"]','478346000019501001','478346000019502002','478346000019558045','pending','',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',6,8,'["478346000019501002", "478346000019502003", "478346000019558052", "Learner 7", "learner7@example.com", "moved to another site"]','478346000019501002','478346000019502003','478346000019558052','pending','',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',7,9,'["478346000019501003", "478346000019502004", "478346000019558059", "Learner 8", "learner8@example.com", "enrolled by mistake"]','478346000019501003','478346000019502004','478346000019558059','pending','',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',8,10,'["478346000019501002", "478346000019502003", "478346000019558017", "Learner 2", "learner2@example.com", "enrolled by mistake"]',NULL,NULL,NULL,'duplicate','The same course, batch and learner stand in row 3.',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',9,11,'["478346000019501003", "478346000019502005", "478346000019558031", "Learner 4", "learner4@example.com", "moved to another site"]',NULL,NULL,NULL,'duplicate','The same course, batch and learner stand in row 5.',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',10,12,'["478346000019501001", "478346000019502001", "", "Learner 20", "learner20@example.com", "enrolled by mistake"]',NULL,NULL,NULL,'invalid','Cell C12 (Learner ID) is no learner id: "" is empty.',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',11,13,'["478346000019501001", "478346000019502001", "47834600001955 8101", "Learner 20", "learner20@example.com", "enrolled by mistake"]',NULL,NULL,NULL,'invalid','Cell C13 (Learner ID) is no learner id: "47834600001955 8101" has a blank inside.',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',12,14,'["478346000019501001", "478346000019502001", "\uff14\uff17\uff18\uff13\uff14\uff16", "Learner 20", "learner20@example.com", "enrolled by mistake"]',NULL,NULL,NULL,'invalid','Cell C14 (Learner ID) is no learner id: "４７８３４６" is written in other digits than 0 to 9.',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',13,15,'["478346000019501001", "478346000019502001", "n/a", "Learner 20", "learner20@example.com", "enrolled by mistake"]',NULL,NULL,NULL,'invalid','Cell C15 (Learner ID) is no learner id: "n/a" holds something other than digits.',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',14,16,'["478346000019501001", "478346000019502001", "+478346000019558101", "Learner 20", "learner20@example.com", "enrolled by mistake"]',NULL,NULL,NULL,'invalid','Cell C16 (Learner ID) is no learner id: "+478346000019558101" begins with a sign.',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',15,17,'["478346000019501001", "478346000019502001", "''478346000019558101", "Learner 20", "learner20@example.com", "enrolled by mistake"]',NULL,NULL,NULL,'invalid','Cell C17 (Learner ID) is no learner id: "''478346000019558101" begins with an apostrophe.',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',16,18,'["478346000019501001", "478346000019502001", "44444444444444444444", "Learner 20", "learner20@example.com", "enrolled by mistake"]',NULL,NULL,NULL,'invalid','Cell C18 (Learner ID) is no learner id: "44444444444444444444" has 20 digits, and an id has 19 at most.',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-nxya',17,19,'["478346000019501003", "478346000019502005", "478346000019558066", "Learner 9", "learner9@example.com", "left the company"]','478346000019501003','478346000019502005','478346000019558066','pending','',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',0,2,'["478346000019501001", "478346000019502002", "478346000019558010", "Learner 1", "learner1@example.com", "moved to another site"]','478346000019501001','478346000019502002','478346000019558010','removed','Zoho confirmed the removal.',200,'200',1,1.79603279366620254518e+09,1.79603279368950819968e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',1,3,'["478346000019501002", "478346000019502003", "478346000019558017", "Learner 2", "learner2@example.com", "enrolled by mistake"]','478346000019501002','478346000019502003','478346000019558017','removed','Zoho confirmed the removal.',200,'200',1,1.79603279370316576955e+09,1.79603279372704315182e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',2,4,'["478346000019501003", "478346000019502004", "478346000019558024", "Learner 3", "learner3@example.com", "left the company"]','478346000019501003','478346000019502004','478346000019558024','removed','Zoho confirmed the removal.',200,'200',1,1.79603279374705791467e+09,1.7960327937618370056e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',3,5,'["478346000019501003", "478346000019502005", "478346000019558031", "Learner 4", "learner4@example.com", "moved to another site"]','478346000019501003','478346000019502005','478346000019558031','removed','Zoho confirmed the removal.',200,'200',1,1.796032793784566164e+09,1.79603279381105589867e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',4,6,'["478346000019501001", "478346000019502001", "478346000019558038", "Learner 5", "learner5@example.com", "enrolled by mistake"]','478346000019501001','478346000019502001','478346000019558038','removed','Zoho confirmed the removal.',200,'200',1,1.7960327951594104767e+09,1.79603279518051195144e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',5,7,'["478346000019501001", "478346000019502002", "478346000019558045", "Learner 6", "learner6@example.com", "left the company"]','478346000019501001','478346000019502002','478346000019558045','removed','Zoho confirmed the removal.',200,'200',1,1.79603279519915819172e+09,1.79603279520542955397e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',6,8,'["478346000019501002", "478346000019502003", "478346000019558052", "Learner 7", "learner7@example.com", "moved to another site"]','478346000019501002','478346000019502003','478346000019558052','removed','Zoho confirmed the removal.',200,'200',1,1.7960327948672919273e+09,1.79603279492232704162e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',7,9,'["478346000019501003", "478346000019502004", "478346000019558059", "Learner 8", "learner8@example.com", "enrolled by mistake"]','478346000019501003','478346000019502004','478346000019558059','removed','Zoho confirmed the removal.',200,'200',1,1.79603279492214751248e+09,1.79603279495876765256e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',8,10,'["478346000019501003", "478346000019502005", "478346000019558066", "Learner 9", "learner9@example.com", "left the company"]','478346000019501003','478346000019502005','478346000019558066','removed','Zoho confirmed the removal.',200,'200',1,1.796032795235490799e+09,1.79603279524434661859e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',9,11,'["478346000019501001", "478346000019502001", "478346000019558073", "Learner 10", "learner10@example.com", "moved to another site"]','478346000019501001','478346000019502001','478346000019558073','removed','Zoho confirmed the removal.',200,'200',1,1.79603279527167081835e+09,1.79603279529655838011e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',10,12,'["478346000019501001", "478346000019502002", "478346000019558080", "Learner 11", "learner11@example.com", "enrolled by mistake"]','478346000019501001','478346000019502002','478346000019558080','removed','Zoho confirmed the removal.',200,'200',1,1.79603279563136625294e+09,1.79603279574326610561e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',11,13,'["478346000019501002", "478346000019502003", "478346000019558087", "Learner 12", "learner12@example.com", "left the company"]','478346000019501002','478346000019502003','478346000019558087','removed','Zoho confirmed the removal.',200,'200',1,1.79603279574304199213e+09,1.79603279578683185579e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',12,14,'["478346000019501003", "478346000019502004", "478346000019558094", "Learner 13", "learner13@example.com", "moved to another site"]','478346000019501003','478346000019502004','478346000019558094','removed','Zoho confirmed the removal.',200,'200',1,1.79603279579501056676e+09,1.79603279583931207657e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',13,15,'["478346000019501003", "478346000019502005", "478346000019558101", "Learner 14", "learner14@example.com", "enrolled by mistake"]','478346000019501003','478346000019502005','478346000019558101','removed','Zoho confirmed the removal.',200,'200',1,1796032795.84695,1.79603279585737538341e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',14,16,'["478346000019501001", "478346000019502001", "478346000019558108", "Learner 15", "learner15@example.com", "left the company"]','478346000019501001','478346000019502001','478346000019558108','removed','Zoho confirmed the removal.',200,'200',1,1.79603279588287210468e+09,1.79603279588813471794e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',15,17,'["478346000019501001", "478346000019502002", "478346000019558115", "Learner 16", "learner16@example.com", "moved to another site"]','478346000019501001','478346000019502002','478346000019558115','removed','Zoho confirmed the removal.',200,'200',1,1.79603279591908335686e+09,1.79603279592559051509e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',16,18,'["478346000019501002", "478346000019502003", "478346000019558122", "Learner 17", "learner17@example.com", "enrolled by mistake"]','478346000019501002','478346000019502003','478346000019558122','not_found','Zoho knows no such learner in this batch: gone before, or a wrong id.',404,'404',1,1.79603279595523834225e+09,1.79603279596605563159e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',17,19,'["478346000019501003", "478346000019502004", "478346000019558129", "Learner 18", "learner18@example.com", "left the company"]','478346000019501003','478346000019502004','478346000019558129','removed','Zoho confirmed the removal.',200,'200',1,1.7960327960195734501e+09,1.79603279604741239549e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',18,20,'["478346000019501003", "478346000019502005", "478346000019558136", "Learner 19", "learner19@example.com", "moved to another site"]','478346000019501003','478346000019502005','478346000019558136','removed','Zoho confirmed the removal.',200,'200',1,1.79603279606120538706e+09,1.7960327961125464439e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',19,21,'["478346000019501001", "478346000019502001", "478346000019558143", "Learner 20", "learner20@example.com", "enrolled by mistake"]','478346000019501001','478346000019502001','478346000019558143','removed','Zoho confirmed the removal.',200,'200',1,1.79603279611233377461e+09,1.79603279640703368189e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',20,22,'["478346000019501001", "478346000019502002", "478346000019558150", "Learner 21", "learner21@example.com", "left the company"]','478346000019501001','478346000019502002','478346000019558150','removed','Zoho confirmed the removal.',200,'200',1,1.79603279618848228451e+09,1.79603279645140695569e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',21,23,'["478346000019501002", "478346000019502003", "478346000019558157", "Learner 22", "learner22@example.com", "moved to another site"]','478346000019501002','478346000019502003','478346000019558157','removed','Zoho confirmed the removal.',200,'200',1,1796032796.4668,1.79603279670201826097e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',22,24,'["478346000019501003", "478346000019502004", "478346000019558164", "Learner 23", "learner23@example.com", "enrolled by mistake"]','478346000019501003','478346000019502004','478346000019558164','removed','Zoho confirmed the removal.',200,'200',1,1.796032796660761118e+09,1.79603279670423388479e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',23,25,'["478346000019501003", "478346000019502005", "478346000019558171", "Learner 24", "learner24@example.com", "left the company"]','478346000019501003','478346000019502005','478346000019558171','removed','Zoho confirmed the removal.',200,'200',1,1.79603279669736790652e+09,1.79603279670434379583e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',24,26,'["478346000019501001", "478346000019502001", "478346000019558178", "Learner 25", "learner25@example.com", "moved to another site"]','478346000019501001','478346000019502001','478346000019558178','removed','Zoho confirmed the removal.',200,'200',1,1.79603279674783420562e+09,1.79603279681034851068e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',25,27,'["478346000019501001", "478346000019502002", "478346000019558185", "Learner 26", "learner26@example.com", "enrolled by mistake"]','478346000019501001','478346000019502002','478346000019558185','removed','Zoho confirmed the removal.',200,'200',1,1.79603279681014418606e+09,1.79603279702168154713e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',26,28,'["478346000019501002", "478346000019502003", "478346000019558192", "Learner 27", "learner27@example.com", "left the company"]','478346000019501002','478346000019502003','478346000019558192','removed','Zoho confirmed the removal.',200,'200',1,1.79603279688742923734e+09,1.79603279702179861074e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',27,29,'["478346000019501003", "478346000019502004", "478346000019558199", "Learner 28", "learner28@example.com", "moved to another site"]','478346000019501003','478346000019502004','478346000019558199','removed','Zoho confirmed the removal.',200,'200',1,1.79603279702143454549e+09,1.7960327973553090095e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',28,30,'["478346000019501003", "478346000019502005", "478346000019558206", "Learner 29", "learner29@example.com", "enrolled by mistake"]','478346000019501003','478346000019502005','478346000019558206','removed','Zoho confirmed the removal.',200,'200',1,1.79603279735505580905e+09,1.79603279776367926595e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',29,31,'["478346000019501001", "478346000019502001", "478346000019558213", "Learner 30", "learner30@example.com", "left the company"]','478346000019501001','478346000019502001','478346000019558213','removed','Zoho confirmed the removal.',200,'200',1,1.79603279804331207279e+09,1.79603279809813880926e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',30,32,'["478346000019501001", "478346000019502002", "478346000019558220", "Learner 31", "learner31@example.com", "moved to another site"]','478346000019501001','478346000019502002','478346000019558220','removed','Zoho confirmed the removal.',200,'200',1,1.79603279782314705853e+09,1.79603279787527465817e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',31,33,'["478346000019501002", "478346000019502003", "478346000019558227", "Learner 32", "learner32@example.com", "enrolled by mistake"]','478346000019501002','478346000019502003','478346000019558227','removed','Zoho confirmed the removal.',200,'200',1,1.79603279787505578993e+09,1.79603279793541193007e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',32,34,'["478346000019501003", "478346000019502004", "478346000019558234", "Learner 33", "learner33@example.com", "left the company"]','478346000019501003','478346000019502004','478346000019558234','removed','Zoho confirmed the removal.',200,'200',1,1.79603279800384688373e+09,1.79603279806371569633e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',33,35,'["478346000019501003", "478346000019502005", "478346000019558241", "Learner 34", "learner34@example.com", "moved to another site"]','478346000019501003','478346000019502005','478346000019558241','removed','Zoho confirmed the removal.',200,'200',1,1.7960327980872790813e+09,1.7960327981089854241e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',34,36,'["478346000019501001", "478346000019502001", "478346000019558248", "Learner 35", "learner35@example.com", "enrolled by mistake"]','478346000019501001','478346000019502001','478346000019558248','removed','Zoho confirmed the removal.',200,'200',1,1.79603279813162922855e+09,1.79603279816257262232e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',35,37,'["478346000019501001", "478346000019502002", "478346000019558255", "Learner 36", "learner36@example.com", "left the company"]','478346000019501001','478346000019502002','478346000019558255','removed','Zoho confirmed the removal.',200,'200',1,1.79603279818305850033e+09,1796032798.21293,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',36,38,'["478346000019501002", "478346000019502003", "478346000019558262", "Learner 37", "learner37@example.com", "moved to another site"]','478346000019501002','478346000019502003','478346000019558262','removed','Zoho confirmed the removal.',200,'200',1,1.79603279824614024164e+09,1.79603279834729838374e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',37,39,'["478346000019501003", "478346000019502004", "478346000019558269", "Learner 38", "learner38@example.com", "enrolled by mistake"]','478346000019501003','478346000019502004','478346000019558269','removed','Zoho confirmed the removal.',200,'200',1,1.79603279840827751161e+09,1.79603279849142289164e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',38,40,'["478346000019501003", "478346000019502005", "478346000019558276", "Learner 39", "learner39@example.com", "left the company"]','478346000019501003','478346000019502005','478346000019558276','removed','Zoho confirmed the removal.',200,'200',1,1.79603279846322464938e+09,1.79603279852356553076e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',39,41,'["478346000019501001", "478346000019502001", "478346000019558283", "Learner 40", "learner40@example.com", "moved to another site"]','478346000019501001','478346000019502001','478346000019558283','removed','Zoho confirmed the removal.',200,'200',1,1.79603279851105380061e+09,1.79603279874750638013e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',40,42,'["478346000019501001", "478346000019502002", "478346000019558290", "Learner 41", "learner41@example.com", "enrolled by mistake"]','478346000019501001','478346000019502002','478346000019558290','not_found','Zoho knows no such learner in this batch: gone before, or a wrong id.',404,'404',1,1.79603279860310602192e+09,1.79603279879933261874e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',41,43,'["478346000019501002", "478346000019502003", "478346000019558297", "Learner 42", "learner42@example.com", "left the company"]','478346000019501002','478346000019502003','478346000019558297','removed','Zoho confirmed the removal.',200,'200',1,1.79603279878306937213e+09,1.79603279880430960653e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',42,44,'["478346000019501003", "478346000019502004", "478346000019558304", "Learner 43", "learner43@example.com", "moved to another site"]','478346000019501003','478346000019502004','478346000019558304','removed','Zoho confirmed the removal.',200,'200',1,1.79603279882561159136e+09,1.79603279888431024546e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',43,45,'["478346000019501003", "478346000019502005", "478346000019558311", "Learner 44", "learner44@example.com", "enrolled by mistake"]','478346000019501003','478346000019502005','478346000019558311','removed','Zoho confirmed the removal.',200,'200',1,1.7960327988613979817e+09,1.79603279888606691362e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',44,46,'["478346000019501001", "478346000019502001", "478346000019558318", "Learner 45", "learner45@example.com", "left the company"]','478346000019501001','478346000019502001','478346000019558318','removed','Zoho confirmed the removal.',200,'200',1,1.79603279890538954739e+09,1.79603279890846967694e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',45,47,'["478346000019501001", "478346000019502002", "478346000019558325", "Learner 46", "learner46@example.com", "moved to another site"]','478346000019501001','478346000019502002','478346000019558325','removed','Zoho confirmed the removal.',200,'200',1,1.7960327989412243366e+09,1.79603279895011615748e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',46,48,'["478346000019501002", "478346000019502003", "478346000019558332", "Learner 47", "learner47@example.com", "enrolled by mistake"]','478346000019501002','478346000019502003','478346000019558332','removed','Zoho confirmed the removal.',200,'200',1,1.79603279897721052169e+09,1.79603279898197650907e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',47,49,'["478346000019501003", "478346000019502004", "478346000019558339", "Learner 48", "learner48@example.com", "left the company"]','478346000019501003','478346000019502004','478346000019558339','removed','Zoho confirmed the removal.',200,'200',1,1.79603279901496982575e+09,1.79603279905249261852e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',48,50,'["478346000019501003", "478346000019502005", "478346000019558346", "Learner 49", "learner49@example.com", "moved to another site"]','478346000019501003','478346000019502005','478346000019558346','removed','Zoho confirmed the removal.',200,'200',1,1.79603279905231690404e+09,1.79603279906812906261e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',49,51,'["478346000019501001", "478346000019502001", "478346000019558353", "Learner 50", "learner50@example.com", "enrolled by mistake"]','478346000019501001','478346000019502001','478346000019558353','removed','Zoho confirmed the removal.',200,'200',1,1.79603279909530210494e+09,1.79603279909845256804e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',50,52,'["478346000019501001", "478346000019502002", "478346000019558360", "Learner 51", "learner51@example.com", "left the company"]','478346000019501001','478346000019502002','478346000019558360','removed','Zoho confirmed the removal.',200,'200',1,1.79603279913100481032e+09,1.79603279913422560687e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',51,53,'["478346000019501002", "478346000019502003", "478346000019558367", "Learner 52", "learner52@example.com", "moved to another site"]','478346000019501002','478346000019502003','478346000019558367','removed','Zoho confirmed the removal.',200,'200',1,1796032799.17929,1.79603279918713021282e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',52,54,'["478346000019501003", "478346000019502004", "478346000019558374", "Learner 53", "learner53@example.com", "enrolled by mistake"]','478346000019501003','478346000019502004','478346000019558374','removed','Zoho confirmed the removal.',200,'200',1,1796032799.22364,1.79603279922920584677e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',53,55,'["478346000019501003", "478346000019502005", "478346000019558381", "Learner 54", "learner54@example.com", "left the company"]','478346000019501003','478346000019502005','478346000019558381','removed','Zoho confirmed the removal.',200,'200',1,1.79603279926711916925e+09,1.79603279928361678121e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',54,56,'["478346000019501001", "478346000019502001", "478346000019558388", "Learner 55", "learner55@example.com", "moved to another site"]','478346000019501001','478346000019502001','478346000019558388','removed','Zoho confirmed the removal.',200,'200',1,1.7960327993030614853e+09,1.79603279934027147291e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',55,57,'["478346000019501001", "478346000019502002", "478346000019558395", "Learner 56", "learner56@example.com", "enrolled by mistake"]','478346000019501001','478346000019502002','478346000019558395','removed','Zoho confirmed the removal.',200,'200',1,1.79603279934837222094e+09,1.79603279938310551639e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',56,58,'["478346000019501002", "478346000019502003", "478346000019558402", "Learner 57", "learner57@example.com", "left the company"]','478346000019501002','478346000019502003','478346000019558402','removed','Zoho confirmed the removal.',200,'200',1,1.79603279939288306235e+09,1.79603279942237567903e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',57,59,'["478346000019501003", "478346000019502004", "478346000019558409", "Learner 58", "learner58@example.com", "moved to another site"]','478346000019501003','478346000019502004','478346000019558409','removed','Zoho confirmed the removal.',200,'200',1,1.79603279943916773796e+09,1.79603279946301364901e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',58,60,'["478346000019501003", "478346000019502005", "478346000019558416", "Learner 59", "learner59@example.com", "enrolled by mistake"]','478346000019501003','478346000019502005','478346000019558416','removed','Zoho confirmed the removal.',200,'200',1,1.79603279948320198062e+09,1.79603279950865960118e+09,NULL);
INSERT INTO "row" VALUES('20261130-SANDBOX-r6zb',59,61,'["478346000019501001", "478346000019502001", "478346000019558423", "Learner 60", "learner60@example.com", "left the company"]','478346000019501001','478346000019502001','478346000019558423','removed','Zoho confirmed the removal.',200,'200',1,1.79603279952716040615e+09,1.79603279955489850043e+09,NULL);
CREATE TABLE seen_field (
    client    TEXT NOT NULL,
    host      TEXT NOT NULL,
    operation TEXT NOT NULL,                  -- the name of the read
    field     TEXT NOT NULL,                  -- its path, such as learners[].learnerId
    types     TEXT NOT NULL,
    seen_at   REAL NOT NULL,                  -- the last time
    PRIMARY KEY (client, host, operation, field)
) STRICT, WITHOUT ROWID;
CREATE TABLE shown_plan (
    plan_hash  TEXT PRIMARY KEY,
    shown_at   REAL NOT NULL,
    generation TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE slot (
    id            INTEGER PRIMARY KEY,
    ledger        TEXT NOT NULL REFERENCES ledger (key),
    taken_mono    REAL NOT NULL,
    free_mono     REAL NOT NULL               -- when the slot is reborn; written as if no answer ever came
) STRICT;
INSERT INTO "slot" VALUES(31,'sandboxx60|',195255.8623395,195341.47961444);
INSERT INTO "slot" VALUES(33,'sandboxx60|',195283.94762592,195348.17556842);
INSERT INTO "slot" VALUES(34,'sandboxx60|',195287.06219976,195351.78375338);
INSERT INTO "slot" VALUES(35,'sandboxx60|',195294.78986472,195359.48183252);
INSERT INTO "slot" VALUES(36,'sandboxx60|',195297.15771618,1.95361547321840014774e+05);
INSERT INTO "slot" VALUES(37,'sandboxx60|',195299.79560424,195362.19821324);
INSERT INTO "slot" VALUES(38,'sandboxx60|',195302.45676036,1.95365413444460020398e+05);
INSERT INTO "slot" VALUES(39,'sandboxx60|',195305.54245746,195368.43487448);
INSERT INTO "slot" VALUES(40,'sandboxx60|',195309.3273144,1.95376496745500015089e+05);
INSERT INTO "slot" VALUES(41,'sandboxx60|',1.9531905567066001823e+05,195385.14427604);
INSERT INTO "slot" VALUES(42,'sandboxx60|',195322.35239052,195387.07281626);
INSERT INTO "slot" VALUES(43,'sandboxx60|',195325.22208984,195400.50925142);
INSERT INTO "slot" VALUES(44,'sandboxx60|',195330.745218,1.95403618935560021785e+05);
INSERT INTO "slot" VALUES(45,'sandboxx60|',195341.54304798,1.9540391767400002573e+05);
INSERT INTO "slot" VALUES(46,'sandboxx60|',1.95344095742580015212e+05,195408.71770718);
INSERT INTO "slot" VALUES(47,'sandboxx60|',195346.24290294,195408.82307762);
INSERT INTO "slot" VALUES(48,'sandboxx60|',195348.88232958,1.95410167265300027793e+05);
INSERT INTO "slot" VALUES(49,'sandboxx60|',1.95351032428919977974e+05,1.95412666049720020961e+05);
INSERT INTO "slot" VALUES(50,'sandboxx60|',1.95353191609440022145e+05,195414.57766856);
INSERT INTO "slot" VALUES(51,'sandboxx60|',1.95355457134559983393e+05,1.95418808640260016542e+05);
INSERT INTO "slot" VALUES(52,'sandboxx60|',195357.69809286,1.95419746848980023061e+05);
INSERT INTO "slot" VALUES(53,'sandboxx60|',195360.27711372,1.95421566241820022702e+05);
INSERT INTO "slot" VALUES(54,'sandboxx60|',195362.41923798,195423.71261618);
INSERT INTO "slot" VALUES(55,'sandboxx60|',195365.3162685,195426.88689008);
INSERT INTO "slot" VALUES(56,'sandboxx60|',195367.97728698,1.95429411437779985138e+05);
INSERT INTO "slot" VALUES(57,'sandboxx60|',195370.58603154,195432.67610912);
INSERT INTO "slot" VALUES(58,'sandboxx60|',195372.74257956,195436.0751987);
INSERT INTO "slot" VALUES(59,'sandboxx60|',1.9537546131545997923e+05,195438.64543274);
INSERT INTO "slot" VALUES(60,'sandboxx60|',1.95378132001679972748e+05,195441.00163352);
INSERT INTO "slot" VALUES(61,'sandboxx60|',195380.90899938,195443.43990644);
INSERT INTO "slot" VALUES(62,'sandboxx60|',195383.55104832,195446.17868084);
INSERT INTO "slot" VALUES(63,'sandboxx60|',1.95386188539479975587e+05,1.95448952922200027389e+05);
INSERT INTO "slot" VALUES(64,'sandboxx1|',3276.789033798,3337.917250608);
INSERT INTO "slot" VALUES(65,'sandboxx1|',3278.924414797,3340.244365296);
CREATE TABLE stop_request (
    name    TEXT PRIMARY KEY,                 -- of the claim: a job's id, or that of the nightly runs
    action  TEXT NOT NULL CHECK (action IN ('pause', 'cancel')),
    by      TEXT NOT NULL,
    at      REAL NOT NULL
) STRICT;
CREATE TABLE "taken" (
    digest   TEXT NOT NULL,                   -- SHA-256 (hex) of the file's bytes
    night    TEXT NOT NULL,
    sandbox  TEXT NOT NULL,                   -- the host of the sandbox that it was taken for; empty: Zoho's own
    name     TEXT NOT NULL,
    taken_at REAL NOT NULL,
    place    TEXT NOT NULL,                   -- the file's name in `working`, so that a killed run's file is known
    job      TEXT REFERENCES job (id),        -- NULL: no plan could be made of it, or not yet
    held     TEXT NOT NULL DEFAULT '',        -- why it was put aside, if it was
    PRIMARY KEY (digest, night, sandbox)
) STRICT;
CREATE TABLE token (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,                 -- what it is for, in the admin's words
    digest     TEXT NOT NULL UNIQUE,          -- SHA-256 (hex) of the token
    added_at   REAL NOT NULL,
    revoked_at REAL
, owner TEXT NOT NULL DEFAULT '', roles TEXT NOT NULL DEFAULT '{}') STRICT;
CREATE TABLE user (
    name     TEXT PRIMARY KEY,
    password TEXT NOT NULL,                   -- Argon2id, with its parameters and salt
    added_at REAL NOT NULL
, one_time INTEGER NOT NULL DEFAULT 0, roles TEXT NOT NULL DEFAULT '{}') STRICT;
CREATE TABLE wording (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    client      TEXT NOT NULL,
    host        TEXT NOT NULL,
    http_status INTEGER NOT NULL,
    api_code    TEXT NOT NULL,
    message     TEXT NOT NULL,
    accepted_at REAL NOT NULL,
    by          TEXT NOT NULL,
    job         TEXT NOT NULL,
    UNIQUE (client, host, http_status, api_code, message)
) STRICT;
CREATE INDEX attempt_by_ledger ON attempt (ledger, sent_at);
CREATE INDEX slot_by_free ON slot (ledger, free_mono);
CREATE INDEX event_by_job ON event (job, id);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT raise(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
    SELECT raise(ABORT, 'the audit log is append-only');
END;
CREATE INDEX job_by_age ON job (created_at, id);
CREATE INDEX note_by_row ON note (job, position);
CREATE INDEX attempt_with_other_wording ON attempt (text) WHERE response_kind = 'other_wording';
CREATE VIEW same_organization AS
SELECT own.client AS client, other.client AS other, own.host AS host
FROM client_organization AS own JOIN client_organization AS other USING (host, organization);
CREATE TRIGGER client_of_new_job AFTER INSERT ON job BEGIN
    INSERT OR IGNORE INTO client_organization (client, host, organization) VALUES (new.client, new.host, new.client);
END;
CREATE INDEX read_by_ledger ON read (ledger, sent_at);
CREATE VIEW call AS
SELECT ledger, sent_at, sent_mono, boot FROM attempt
UNION ALL SELECT ledger, sent_at, sent_mono, boot FROM read;
CREATE INDEX row_open ON row (job, position) WHERE state IN ('pending', 'sending');
CREATE INDEX row_by_learner ON row (learner);
CREATE INDEX row_put_back ON row (person ->> '$.id') WHERE person ->> '$.id' IS NOT NULL;
CREATE INDEX row_by_record_number ON row (person ->> '$.record_number') WHERE person ->> '$.record_number' IS NOT NULL;
DELETE FROM "sqlite_sequence";
COMMIT;
PRAGMA user_version = 31;
