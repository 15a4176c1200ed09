-- What the models of Crumby 0.7.1 become on PostgreSQL: SQLAlchemy 1.1.13, word for word.

CREATE TABLE calendar (
	datetime TIMESTAMP WITHOUT TIME ZONE NOT NULL, 
	PRIMARY KEY (datetime)
);

CREATE TABLE events (
	id SERIAL NOT NULL, 
	ip VARCHAR(39), 
	cid VARCHAR(10), 
	datetime TIMESTAMP WITHOUT TIME ZONE, 
	doc_title TEXT, 
	doc_uri TEXT, 
	name TEXT, 
	value TEXT, 
	PRIMARY KEY (id)
);

CREATE TABLE users (
	id SERIAL NOT NULL, 
	username VARCHAR(75), 
	password VARCHAR(60), 
	PRIMARY KEY (id), 
	UNIQUE (username)
);

CREATE TABLE visits (
	id SERIAL NOT NULL, 
	ip VARCHAR(39), 
	cid VARCHAR(10), 
	datetime TIMESTAMP WITHOUT TIME ZONE, 
	doc_title TEXT, 
	doc_uri TEXT, 
	doc_enc VARCHAR(25), 
	referrer TEXT, 
	_referrer TEXT, 
	platform VARCHAR(25), 
	browser VARCHAR(25), 
	version VARCHAR(25), 
	screen_res VARCHAR(25), 
	screen_depth VARCHAR(10), 
	continent VARCHAR(3), 
	country VARCHAR(3), 
	subdivision_1 VARCHAR(75), 
	subdivision_2 VARCHAR(75), 
	city VARCHAR(75), 
	latitude FLOAT, 
	longitude FLOAT, 
	accuracy_radius INTEGER, 
	time_zone VARCHAR(50), 
	lang VARCHAR(10), 
	_lang VARCHAR(10), 
	PRIMARY KEY (id)
);
