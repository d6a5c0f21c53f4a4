{#
    dbt's own view materialization makes a new view, swaps the names and drops the old one by cascade: every view on it
    is gone until it is built again, and a build at the same time fails. A view of the same columns is replaced where it
    stands; only one whose columns changed is dropped, with what hangs on it.
-#}
{% materialization view, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='view') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% if existing is not none and not existing.is_view %}
        {{ drop_relation_if_exists(existing) }}
    {% endif %}

    {% call statement('main') -%}
        do $do$
        begin
            execute $view$ create or replace view {{ target_relation }} as ({{ sql }}) $view$;
        exception
            when invalid_table_definition then
                drop view {{ target_relation }} cascade;
                execute $view$ create view {{ target_relation }} as ({{ sql }}) $view$;
        end
        $do$
    {%- endcall %}

    {% do apply_grants(target_relation, config.get('grants'), should_revoke=existing is not none) %}
    {% do persist_docs(target_relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
