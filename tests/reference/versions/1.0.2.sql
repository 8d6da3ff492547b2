--
-- PostgreSQL database dump
--

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 16.2

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: account_emailaddress; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.account_emailaddress (
    id integer NOT NULL,
    email character varying(254) NOT NULL,
    verified boolean NOT NULL,
    "primary" boolean NOT NULL,
    user_id uuid NOT NULL
);


--
-- Name: account_emailaddress_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.account_emailaddress_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: account_emailaddress_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.account_emailaddress_id_seq OWNED BY public.account_emailaddress.id;


--
-- Name: auth_group; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.auth_group (
    id integer NOT NULL,
    name character varying(150) NOT NULL
);


--
-- Name: auth_group_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.auth_group_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: auth_group_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.auth_group_id_seq OWNED BY public.auth_group.id;


--
-- Name: auth_group_permissions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.auth_group_permissions (
    id integer NOT NULL,
    group_id integer NOT NULL,
    permission_id integer NOT NULL
);


--
-- Name: auth_group_permissions_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.auth_group_permissions_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: auth_group_permissions_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.auth_group_permissions_id_seq OWNED BY public.auth_group_permissions.id;


--
-- Name: auth_permission; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.auth_permission (
    id integer NOT NULL,
    name character varying(255) NOT NULL,
    content_type_id integer NOT NULL,
    codename character varying(100) NOT NULL
);


--
-- Name: auth_permission_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.auth_permission_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: auth_permission_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.auth_permission_id_seq OWNED BY public.auth_permission.id;


--
-- Name: authtoken_token; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.authtoken_token (
    key character varying(40) NOT NULL,
    created timestamp with time zone NOT NULL,
    user_id uuid NOT NULL
);


--
-- Name: django_content_type; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.django_content_type (
    id integer NOT NULL,
    app_label character varying(100) NOT NULL,
    model character varying(100) NOT NULL
);


--
-- Name: django_content_type_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.django_content_type_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: django_content_type_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.django_content_type_id_seq OWNED BY public.django_content_type.id;


--
-- Name: openwisp_users_organization; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.openwisp_users_organization (
    name character varying(200) NOT NULL,
    is_active boolean NOT NULL,
    created timestamp with time zone NOT NULL,
    modified timestamp with time zone NOT NULL,
    slug character varying(200) NOT NULL,
    id uuid NOT NULL,
    description text NOT NULL,
    email character varying(254) NOT NULL,
    url character varying(200) NOT NULL
);


--
-- Name: openwisp_users_organizationinvitation; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.openwisp_users_organizationinvitation (
    id integer NOT NULL,
    guid uuid NOT NULL,
    invitee_identifier character varying(1000) NOT NULL,
    created timestamp with time zone NOT NULL,
    modified timestamp with time zone NOT NULL,
    invited_by_id uuid NOT NULL,
    invitee_id uuid,
    organization_id uuid NOT NULL
);


--
-- Name: openwisp_users_organizationinvitation_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.openwisp_users_organizationinvitation_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: openwisp_users_organizationinvitation_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.openwisp_users_organizationinvitation_id_seq OWNED BY public.openwisp_users_organizationinvitation.id;


--
-- Name: openwisp_users_organizationowner; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.openwisp_users_organizationowner (
    created timestamp with time zone NOT NULL,
    modified timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    organization_user_id uuid NOT NULL
);


--
-- Name: openwisp_users_organizationuser; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.openwisp_users_organizationuser (
    created timestamp with time zone NOT NULL,
    modified timestamp with time zone NOT NULL,
    is_admin boolean NOT NULL,
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL
);


--
-- Name: openwisp_users_user; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.openwisp_users_user (
    password character varying(128) NOT NULL,
    last_login timestamp with time zone,
    is_superuser boolean NOT NULL,
    username character varying(150) NOT NULL,
    first_name character varying(150) NOT NULL,
    last_name character varying(150) NOT NULL,
    email character varying(254),
    is_staff boolean NOT NULL,
    is_active boolean NOT NULL,
    date_joined timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    bio text NOT NULL,
    url character varying(200) NOT NULL,
    company character varying(30) NOT NULL,
    location character varying(256) NOT NULL,
    phone_number character varying(128),
    birth_date date,
    notes text NOT NULL,
    language character varying(8) NOT NULL
);


--
-- Name: openwisp_users_user_groups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.openwisp_users_user_groups (
    id integer NOT NULL,
    user_id uuid NOT NULL,
    group_id integer NOT NULL
);


--
-- Name: openwisp_users_user_groups_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.openwisp_users_user_groups_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: openwisp_users_user_groups_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.openwisp_users_user_groups_id_seq OWNED BY public.openwisp_users_user_groups.id;


--
-- Name: openwisp_users_user_user_permissions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.openwisp_users_user_user_permissions (
    id integer NOT NULL,
    user_id uuid NOT NULL,
    permission_id integer NOT NULL
);


--
-- Name: openwisp_users_user_user_permissions_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.openwisp_users_user_user_permissions_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: openwisp_users_user_user_permissions_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.openwisp_users_user_user_permissions_id_seq OWNED BY public.openwisp_users_user_user_permissions.id;


--
-- Name: account_emailaddress id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.account_emailaddress ALTER COLUMN id SET DEFAULT nextval('public.account_emailaddress_id_seq'::regclass);


--
-- Name: auth_group id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_group ALTER COLUMN id SET DEFAULT nextval('public.auth_group_id_seq'::regclass);


--
-- Name: auth_group_permissions id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_group_permissions ALTER COLUMN id SET DEFAULT nextval('public.auth_group_permissions_id_seq'::regclass);


--
-- Name: auth_permission id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_permission ALTER COLUMN id SET DEFAULT nextval('public.auth_permission_id_seq'::regclass);


--
-- Name: django_content_type id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.django_content_type ALTER COLUMN id SET DEFAULT nextval('public.django_content_type_id_seq'::regclass);


--
-- Name: openwisp_users_organizationinvitation id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.openwisp_users_organizationinvitation ALTER COLUMN id SET DEFAULT nextval('public.openwisp_users_organizationinvitation_id_seq'::regclass);


--
-- Name: openwisp_users_user_groups id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.openwisp_users_user_groups ALTER COLUMN id SET DEFAULT nextval('public.openwisp_users_user_groups_id_seq'::regclass);


--
-- Name: openwisp_users_user_user_permissions id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.openwisp_users_user_user_permissions ALTER COLUMN id SET DEFAULT nextval('public.openwisp_users_user_user_permissions_id_seq'::regclass);


--
-- Data for Name: account_emailaddress; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.account_emailaddress (id, email, verified, "primary", user_id) FROM stdin;
1	bob@example.org	t	t	00000000-0000-0000-0000-000000000002
\.


--
-- Data for Name: auth_group; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.auth_group (id, name) FROM stdin;
1	Operator
2	Administrator
\.


--
-- Data for Name: auth_group_permissions; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.auth_group_permissions (id, group_id, permission_id) FROM stdin;
1	2	33
2	2	34
3	2	36
4	2	45
5	2	46
6	2	47
7	2	48
8	2	52
9	2	35
10	2	2
11	2	3
12	2	4
13	2	42
14	2	38
15	1	40
\.


--
-- Data for Name: auth_permission; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.auth_permission (id, name, content_type_id, codename) FROM stdin;
1	Can add email address	3	add_emailaddress
2	Can change email address	3	change_emailaddress
3	Can delete email address	3	delete_emailaddress
4	Can view email address	3	view_emailaddress
5	Can add email confirmation	4	add_emailconfirmation
6	Can change email confirmation	4	change_emailconfirmation
7	Can delete email confirmation	4	delete_emailconfirmation
8	Can view email confirmation	4	view_emailconfirmation
9	Can add log entry	5	add_logentry
10	Can change log entry	5	change_logentry
11	Can delete log entry	5	delete_logentry
12	Can view log entry	5	view_logentry
13	Can add permission	6	add_permission
14	Can change permission	6	change_permission
15	Can delete permission	6	delete_permission
16	Can view permission	6	view_permission
17	Can add group	1	add_group
18	Can change group	1	change_group
19	Can delete group	1	delete_group
20	Can view group	1	view_group
21	Can add Token	7	add_token
22	Can change Token	7	change_token
23	Can delete Token	7	delete_token
24	Can view Token	7	view_token
25	Can add token	8	add_tokenproxy
26	Can change token	8	change_tokenproxy
27	Can delete token	8	delete_tokenproxy
28	Can view token	8	view_tokenproxy
29	Can add content type	9	add_contenttype
30	Can change content type	9	change_contenttype
31	Can delete content type	9	delete_contenttype
32	Can view content type	9	view_contenttype
33	Can add user	10	add_user
34	Can change user	10	change_user
35	Can delete user	10	delete_user
36	Can view user	10	view_user
37	Can add organization	11	add_organization
38	Can change organization	11	change_organization
39	Can delete organization	11	delete_organization
40	Can view organization	11	view_organization
41	Can add organization owner	12	add_organizationowner
42	Can change organization owner	12	change_organizationowner
43	Can delete organization owner	12	delete_organizationowner
44	Can view organization owner	12	view_organizationowner
45	Can add organization user	13	add_organizationuser
46	Can change organization user	13	change_organizationuser
47	Can delete organization user	13	delete_organizationuser
48	Can view organization user	13	view_organizationuser
49	Can add group	2	add_group
50	Can change group	2	change_group
51	Can delete group	2	delete_group
52	Can view group	2	view_group
53	Can add session	14	add_session
54	Can change session	14	change_session
55	Can delete session	14	delete_session
56	Can view session	14	view_session
57	Can add social account	15	add_socialaccount
58	Can change social account	15	change_socialaccount
59	Can delete social account	15	delete_socialaccount
60	Can view social account	15	view_socialaccount
61	Can add social application	16	add_socialapp
62	Can change social application	16	change_socialapp
63	Can delete social application	16	delete_socialapp
64	Can view social application	16	view_socialapp
65	Can add social application token	17	add_socialtoken
66	Can change social application token	17	change_socialtoken
67	Can delete social application token	17	delete_socialtoken
68	Can view social application token	17	view_socialtoken
69	Can add site	18	add_site
70	Can change site	18	change_site
71	Can delete site	18	delete_site
72	Can view site	18	view_site
73	Can add organization invitation	19	add_organizationinvitation
74	Can change organization invitation	19	change_organizationinvitation
75	Can delete organization invitation	19	delete_organizationinvitation
76	Can view organization invitation	19	view_organizationinvitation
\.


--
-- Data for Name: authtoken_token; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.authtoken_token (key, created, user_id) FROM stdin;
bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb	2026-11-29 01:44:07.787157+00	00000000-0000-0000-0000-000000000002
\.


--
-- Data for Name: django_content_type; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.django_content_type (id, app_label, model) FROM stdin;
1	auth	group
2	openwisp_users	group
3	account	emailaddress
4	account	emailconfirmation
5	admin	logentry
6	auth	permission
7	authtoken	token
8	authtoken	tokenproxy
9	contenttypes	contenttype
10	openwisp_users	user
11	openwisp_users	organization
12	openwisp_users	organizationowner
13	openwisp_users	organizationuser
14	sessions	session
15	socialaccount	socialaccount
16	socialaccount	socialapp
17	socialaccount	socialtoken
18	sites	site
19	openwisp_users	organizationinvitation
\.


--
-- Data for Name: openwisp_users_organization; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.openwisp_users_organization (name, is_active, created, modified, slug, id, description, email, url) FROM stdin;
default	t	2026-11-29 01:44:03.497633+00	2026-11-29 01:44:03.500113+00	default	a1a9dd39-53cf-4a8e-be89-b272244b0202	This is the default organization. It was created automatically during installation. You can simply rename it to your organization name.		
Acme; "Ltd"	t	2026-11-29 01:44:07.683004+00	2026-11-29 01:44:07.683299+00	acme-ltd	00000000-0000-0000-0000-00000000000b			
\.


--
-- Data for Name: openwisp_users_organizationinvitation; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.openwisp_users_organizationinvitation (id, guid, invitee_identifier, created, modified, invited_by_id, invitee_id, organization_id) FROM stdin;
\.


--
-- Data for Name: openwisp_users_organizationowner; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.openwisp_users_organizationowner (created, modified, id, organization_id, organization_user_id) FROM stdin;
2026-11-29 01:44:07.720924+00	2026-11-29 01:44:07.737205+00	b7ffe7e1-ed78-436d-bb0a-730e51b0de06	00000000-0000-0000-0000-00000000000b	00000000-0000-0000-0000-000000000015
\.


--
-- Data for Name: openwisp_users_organizationuser; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.openwisp_users_organizationuser (created, modified, is_admin, id, organization_id, user_id) FROM stdin;
2026-11-29 01:44:07.705738+00	2026-11-29 01:44:07.706074+00	t	00000000-0000-0000-0000-000000000015	00000000-0000-0000-0000-00000000000b	00000000-0000-0000-0000-000000000002
2026-11-29 01:44:07.74394+00	2026-11-29 01:44:07.7443+00	f	00000000-0000-0000-0000-000000000016	00000000-0000-0000-0000-00000000000b	00000000-0000-0000-0000-000000000003
\.


--
-- Data for Name: openwisp_users_user; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.openwisp_users_user (password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined, id, bio, url, company, location, phone_number, birth_date, notes, language) FROM stdin;
pbkdf2_sha256$1000$salt$CKuIyL7bKcFD8VCgtTqoo1U2VfgGE2i5vzQ4Uu0KGqM=	\N	t	ann	An\tn\\	O'Hara	ann@example.org	t	t	2026-11-29 01:44:07.653538+00	00000000-0000-0000-0000-000000000001					\N	\N		en-us
pbkdf2_sha256$1000$salt$CKuIyL7bKcFD8VCgtTqoo1U2VfgGE2i5vzQ4Uu0KGqM=	\N	f	bob			bob@example.org	t	t	2026-11-29 01:44:07.668428+00	00000000-0000-0000-0000-000000000002	two\nlines \\N \\. $x$			Zürich 🔑	\N	\N		en-us
pbkdf2_sha256$1000$salt$CKuIyL7bKcFD8VCgtTqoo1U2VfgGE2i5vzQ4Uu0KGqM=	\N	f	carl			\N	f	t	2026-11-29 01:44:07.681373+00	00000000-0000-0000-0000-000000000003					\N	\N		en-us
\.


--
-- Data for Name: openwisp_users_user_groups; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.openwisp_users_user_groups (id, user_id, group_id) FROM stdin;
1	00000000-0000-0000-0000-000000000002	1
\.


--
-- Data for Name: openwisp_users_user_user_permissions; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.openwisp_users_user_user_permissions (id, user_id, permission_id) FROM stdin;
1	00000000-0000-0000-0000-000000000003	33
\.


--
-- Name: account_emailaddress_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.account_emailaddress_id_seq', 1, true);


--
-- Name: auth_group_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.auth_group_id_seq', 2, true);


--
-- Name: auth_group_permissions_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.auth_group_permissions_id_seq', 15, true);


--
-- Name: auth_permission_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.auth_permission_id_seq', 76, true);


--
-- Name: django_content_type_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.django_content_type_id_seq', 19, true);


--
-- Name: openwisp_users_organizationinvitation_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.openwisp_users_organizationinvitation_id_seq', 1, false);


--
-- Name: openwisp_users_user_groups_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.openwisp_users_user_groups_id_seq', 1, true);


--
-- Name: openwisp_users_user_user_permissions_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.openwisp_users_user_user_permissions_id_seq', 1, true);


--
-- PostgreSQL database dump complete
--

