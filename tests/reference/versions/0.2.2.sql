--
-- PostgreSQL database dump
--

\restrict qudeke4jmwfoZ0FKvKCXeMOplBsV4YSEeDWIo8Qu3Eb1y5UFJjqDgKVIf5wr6jw

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

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
    first_name character varying(30) NOT NULL,
    last_name character varying(150) NOT NULL,
    email character varying(254),
    is_staff boolean NOT NULL,
    is_active boolean NOT NULL,
    date_joined timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    bio text NOT NULL,
    url character varying(200) NOT NULL,
    company character varying(30) NOT NULL,
    location character varying(128) NOT NULL,
    phone_number character varying(128)
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
1	2	37
2	2	38
3	2	39
4	2	40
5	2	44
6	2	25
7	2	26
8	2	28
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
21	Can add content type	7	add_contenttype
22	Can change content type	7	change_contenttype
23	Can delete content type	7	delete_contenttype
24	Can view content type	7	view_contenttype
25	Can add user	8	add_user
26	Can change user	8	change_user
27	Can delete user	8	delete_user
28	Can view user	8	view_user
29	Can add organization	9	add_organization
30	Can change organization	9	change_organization
31	Can delete organization	9	delete_organization
32	Can view organization	9	view_organization
33	Can add organization owner	10	add_organizationowner
34	Can change organization owner	10	change_organizationowner
35	Can delete organization owner	10	delete_organizationowner
36	Can view organization owner	10	view_organizationowner
37	Can add organization user	11	add_organizationuser
38	Can change organization user	11	change_organizationuser
39	Can delete organization user	11	delete_organizationuser
40	Can view organization user	11	view_organizationuser
41	Can add group	2	add_group
42	Can change group	2	change_group
43	Can delete group	2	delete_group
44	Can view group	2	view_group
45	Can add session	12	add_session
46	Can change session	12	change_session
47	Can delete session	12	delete_session
48	Can view session	12	view_session
49	Can add social account	13	add_socialaccount
50	Can change social account	13	change_socialaccount
51	Can delete social account	13	delete_socialaccount
52	Can view social account	13	view_socialaccount
53	Can add social application	14	add_socialapp
54	Can change social application	14	change_socialapp
55	Can delete social application	14	delete_socialapp
56	Can view social application	14	view_socialapp
57	Can add social application token	15	add_socialtoken
58	Can change social application token	15	change_socialtoken
59	Can delete social application token	15	delete_socialtoken
60	Can view social application token	15	view_socialtoken
61	Can add site	16	add_site
62	Can change site	16	change_site
63	Can delete site	16	delete_site
64	Can view site	16	view_site
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
7	contenttypes	contenttype
8	openwisp_users	user
9	openwisp_users	organization
10	openwisp_users	organizationowner
11	openwisp_users	organizationuser
12	sessions	session
13	socialaccount	socialaccount
14	socialaccount	socialapp
15	socialaccount	socialtoken
16	sites	site
\.


--
-- Data for Name: openwisp_users_organization; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.openwisp_users_organization (name, is_active, created, modified, slug, id, description, email, url) FROM stdin;
default	t	2026-11-29 01:43:56.849958+00	2026-11-29 01:43:56.858821+00	default	41bd894c-f05a-4a3e-9ef3-76ed7424c9f8	This is the default organization. It was created automatically during installation. You can simply rename it to your organization name.		
Acme; "Ltd"	t	2026-11-29 01:43:59.041278+00	2026-11-29 01:43:59.041681+00	acme-ltd	00000000-0000-0000-0000-00000000000b			
\.


--
-- Data for Name: openwisp_users_organizationowner; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.openwisp_users_organizationowner (created, modified, id, organization_id, organization_user_id) FROM stdin;
2026-11-29 01:43:59.06277+00	2026-11-29 01:43:59.063447+00	00000000-0000-0000-0000-00000000001f	00000000-0000-0000-0000-00000000000b	00000000-0000-0000-0000-000000000015
\.


--
-- Data for Name: openwisp_users_organizationuser; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.openwisp_users_organizationuser (created, modified, is_admin, id, organization_id, user_id) FROM stdin;
2026-11-29 01:43:59.057003+00	2026-11-29 01:43:59.057473+00	t	00000000-0000-0000-0000-000000000015	00000000-0000-0000-0000-00000000000b	00000000-0000-0000-0000-000000000002
2026-11-29 01:43:59.060184+00	2026-11-29 01:43:59.060635+00	f	00000000-0000-0000-0000-000000000016	00000000-0000-0000-0000-00000000000b	00000000-0000-0000-0000-000000000003
\.


--
-- Data for Name: openwisp_users_user; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.openwisp_users_user (password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined, id, bio, url, company, location, phone_number) FROM stdin;
pbkdf2_sha256$1000$salt$CKuIyL7bKcFD8VCgtTqoo1U2VfgGE2i5vzQ4Uu0KGqM=	\N	t	ann	An\tn\\	O'Hara	ann@example.org	t	t	2026-11-29 01:43:58.984181+00	00000000-0000-0000-0000-000000000001					\N
pbkdf2_sha256$1000$salt$CKuIyL7bKcFD8VCgtTqoo1U2VfgGE2i5vzQ4Uu0KGqM=	\N	f	bob			bob@example.org	t	t	2026-11-29 01:43:59.029041+00	00000000-0000-0000-0000-000000000002	two\nlines \\N \\. $x$			Zürich 🔑	\N
pbkdf2_sha256$1000$salt$CKuIyL7bKcFD8VCgtTqoo1U2VfgGE2i5vzQ4Uu0KGqM=	\N	f	carl			\N	f	t	2026-11-29 01:43:59.037391+00	00000000-0000-0000-0000-000000000003					\N
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
1	00000000-0000-0000-0000-000000000003	25
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

SELECT pg_catalog.setval('public.auth_group_permissions_id_seq', 8, true);


--
-- Name: auth_permission_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.auth_permission_id_seq', 64, true);


--
-- Name: django_content_type_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.django_content_type_id_seq', 16, true);


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

\unrestrict qudeke4jmwfoZ0FKvKCXeMOplBsV4YSEeDWIo8Qu3Eb1y5UFJjqDgKVIf5wr6jw

