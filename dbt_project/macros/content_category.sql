{# Generated from clientnest_assets/contracts/content_categories.yaml by
   `python -m clientnest_assets.contracts.dbt_sources`. Change the rules there. -#}

{#- The content category of a text column. #}
{% macro content_category(column) -%}
    case
        when {{ column }} is null or {{ column }} ~ '^[\t\n\u000B\f\r \u00A0\u2000-\u200B\u202F\u3000]*$'
            then 'Unknown'
        when {{ column }} ~ '(?:^|[^0-9A-Za-z_\u00AA\u00B5\u00BA\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u1FFF\u2C00-\u2DFF\u3041-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF10-\uFF19\uFF21-\uFF3A\uFF41-\uFF5A\uFF66-\uFFDC\U00010000-\U0001EFFF\U00020000-\U0003FFFF])(?:[sS][aA][lL][eE]|[dD][iI][sS][cC][oO][uU][nN][tT]|[oO][fF][fF][eE][rR]|[bB][uU][yY])(?:[^0-9A-Za-z_\u00AA\u00B5\u00BA\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u1FFF\u2C00-\u2DFF\u3041-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF10-\uFF19\uFF21-\uFF3A\uFF41-\uFF5A\uFF66-\uFFDC\U00010000-\U0001EFFF\U00020000-\U0003FFFF]|$)'
            then 'Promotional'
        when {{ column }} ~ '(?:^|[^0-9A-Za-z_\u00AA\u00B5\u00BA\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u1FFF\u2C00-\u2DFF\u3041-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF10-\uFF19\uFF21-\uFF3A\uFF41-\uFF5A\uFF66-\uFFDC\U00010000-\U0001EFFF\U00020000-\U0003FFFF])(?:[tT][iI][pP]|[tT][iI][pP][sS]|[hH][oO][wW][\t\n\u000B\f\r \u00A0\u2000-\u200B\u202F\u3000]+[tT][oO]|[gG][uU][iI][dD][eE]|[tT][uU][tT][oO][rR][iI][aA][lL])(?:[^0-9A-Za-z_\u00AA\u00B5\u00BA\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u1FFF\u2C00-\u2DFF\u3041-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF10-\uFF19\uFF21-\uFF3A\uFF41-\uFF5A\uFF66-\uFFDC\U00010000-\U0001EFFF\U00020000-\U0003FFFF]|$)'
            then 'Educational'
        when {{ column }} ~ '(?:^|[^0-9A-Za-z_\u00AA\u00B5\u00BA\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u1FFF\u2C00-\u2DFF\u3041-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF10-\uFF19\uFF21-\uFF3A\uFF41-\uFF5A\uFF66-\uFFDC\U00010000-\U0001EFFF\U00020000-\U0003FFFF])(?:[bB][eE][hH][iI][nN][dD]|[tT][eE][aA][mM]|[sS][tT][oO][rR][yY]|[jJ][oO][uU][rR][nN][eE][yY])(?:[^0-9A-Za-z_\u00AA\u00B5\u00BA\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u1FFF\u2C00-\u2DFF\u3041-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF10-\uFF19\uFF21-\uFF3A\uFF41-\uFF5A\uFF66-\uFFDC\U00010000-\U0001EFFF\U00020000-\U0003FFFF]|$)'
            then 'Behind the Scenes'
        when {{ column }} ~ '(?:^|[^0-9A-Za-z_\u00AA\u00B5\u00BA\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u1FFF\u2C00-\u2DFF\u3041-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF10-\uFF19\uFF21-\uFF3A\uFF41-\uFF5A\uFF66-\uFFDC\U00010000-\U0001EFFF\U00020000-\U0003FFFF])(?:[qQ][uU][eE][sS][tT][iI][oO][nN]|[pP][oO][lL][lL]|[vV][oO][tT][eE])(?:[^0-9A-Za-z_\u00AA\u00B5\u00BA\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u1FFF\u2C00-\u2DFF\u3041-\uD7FF\uF900-\uFDFF\uFE70-\uFEFE\uFF10-\uFF19\uFF21-\uFF3A\uFF41-\uFF5A\uFF66-\uFFDC\U00010000-\U0001EFFF\U00020000-\U0003FFFF]|$)|[?]'
            then 'Interactive'
        else 'General'
    end
{%- endmacro %}
