# Stages that somebody else owns. No resource of the provider sets access logs on such a stage, so a function does, and
# remembers what was there in an SSM parameter.
#
# Two invocations a stage, since the provider takes a failed *update* for done (it keeps the new input, and the next plan
# shows no change) while a failed create is repeated: everything that changes a stage is therefore a create, of
# `switch_on`, which is made anew with every change and destroyed without a call. `give_back` calls on destroy alone. It
# is there before anything is changed, so that a stage whose switching on failed halfway is given back too.

locals {
  stage_logging_function_name = "${var.name}-stage-logging"
  # Shorter than the function's: see main.tf on the length of role names.
  stage_logging_role_name = "${var.name}-stages-${local.region}"

  # Not below `/<name>`: SSM takes no name that begins with `aws` or `ssm`.
  stage_logging_parameters = { for key in keys(var.existing_stages) : key => "/revenium/${var.name}/stage-logging/${key}" }
}

module "stage_logging" {
  count  = length(var.existing_stages) > 0 ? 1 : 0
  source = "../function"

  name        = local.stage_logging_function_name
  description = "Switches access logs on at stages that are owned elsewhere, and gives back what was there."
  # It talks to AWS alone, whose certificates are public.
  functions          = merge(var.functions, { ca_certificate_file = null })
  kms_key            = var.kms_key
  log_retention_days = var.log_retention_days
  package            = "stage_logging"
  policies           = { log-stages = data.aws_iam_policy_document.stage_logging[0].minified_json }
  role_name          = local.stage_logging_role_name
  runtime            = var.runtime
  tags               = var.tags
  # The function waits up to 30 s for a permission that was just given, and for API Gateway's rate limits.
  timeout_seconds = 180
}

resource "aws_lambda_invocation" "give_back" {
  for_each = var.existing_stages

  function_name   = module.stage_logging[0].name
  lifecycle_scope = "CRUD"

  input = jsonencode({
    task      = "give_back"
    kind      = each.value.kind
    api_id    = each.value.api_id
    stage     = each.value.stage
    parameter = local.stage_logging_parameters[each.key]
  })

  # An entry that names another stage now gives the old one back first, while the role may still touch it.
  triggers = {
    kind   = each.value.kind
    api_id = each.value.api_id
    stage  = each.value.stage
  }

  lifecycle {
    precondition {
      # IAM's bound for all inline policies of a role, of which the one for its log group takes some 250.
      condition     = length(data.aws_iam_policy_document.stage_logging[0].minified_json) <= 10240 - 400
      error_message = "`existing_stages` must name no more stages than the policy of one role has room for: 9840 characters, about 25 stages. Move some to a second instance with another `name`."
    }
  }

  # A stage is given back while all that meters it is still there. On a whole destroy that bills no more than what
  # API Gateway has written by then, since it writes some minutes late: who wants the last calls takes the entries out
  # first.
  depends_on = [
    aws_cloudwatch_log_group.access,
    aws_cloudwatch_log_subscription_filter.this,
  ]
}

resource "aws_lambda_invocation" "switch_on" {
  for_each = var.existing_stages

  function_name = module.stage_logging[0].name

  input = jsonencode({
    task             = "switch_on"
    kind             = each.value.kind
    api_id           = each.value.api_id
    stage            = each.value.stage
    destination_arn  = local.log_group_arn
    format           = local.access_log_formats[lower(each.value.kind)]
    replace_existing = each.value.replace_existing
    parameter        = local.stage_logging_parameters[each.key]
  })

  lifecycle {
    # Made anew, the one has given the stage back.
    replace_triggered_by = [aws_lambda_invocation.give_back[each.key]]
  }
}
