{#
    Who may read what. The configuration `grants` says it table by table; these hooks see to what dbt leaves out: that
    the roles exist, and that they may use the schemas. Both look before they act, so that a run changes nothing
    that is there already. Logins are given a role by whoever runs the server: grant analyst to jane.

    analyst   dimensions, facts, marts
    service   the same, for programs that answer people
    admin     every layer, raw too
-#}

{% macro roles() -%}
    {{ return(["analyst", "service", "admin"]) }}
{%- endmacro %}

{#- Schemas and who may use them; reading their tables is the tables' own grant, but for raw, which dbt does not build. -#}
{% macro readers_by_schema() -%}
    {{ return({
        "raw": ["admin"],
        "reference": ["admin"],
        "staging": ["admin"],
        "intermediate": ["admin"],
        "dimensions": roles(),
        "facts": roles(),
        "marts": roles(),
    }) }}
{%- endmacro %}

{#- Before a run: the roles exist. #}
{% macro ensure_roles() -%}
    do $$
    declare
        wanted text;
    begin
        foreach wanted in array array['{{ roles() | join("', '") }}'] loop
            if not exists (select from pg_roles where rolname = wanted) then
                begin
                    execute format('create role %I nologin', wanted);
                exception
                    -- Another run made it meanwhile.
                    when duplicate_object or unique_violation then null;
                    when insufficient_privilege then raise exception
                        'The role % is missing, and % may not create roles. Let an administrator run: create role % nologin;',
                        wanted, current_user, wanted;
                end;
            end if;
        end loop;
    end
    $$
{%- endmacro %}

{#- After a run: the roles may use the schemas that are there by now. #}
{% macro open_schemas() -%}
    do $$
    begin
        {% for schema, readers in readers_by_schema().items() %}
        {%- for reader in readers %}
        if to_regnamespace('{{ schema }}') is not null
            and not has_schema_privilege('{{ reader }}', '{{ schema }}', 'usage')
        then
            -- Grants on one schema at the same time fail: one after the other, then.
            perform pg_advisory_xact_lock(hashtext('clientnest.roles'));
            grant usage on schema {{ schema }} to {{ reader }};
            {%- if schema == "raw" %}
            grant select on all tables in schema {{ schema }} to {{ reader }};
            alter default privileges in schema {{ schema }} grant select on tables to {{ reader }};
            {%- endif %}
        end if;
        {%- endfor %}
        {% endfor %}
    end
    $$
{%- endmacro %}
